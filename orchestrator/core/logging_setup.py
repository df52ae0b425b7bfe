"""Logging of the project and its libraries into a sweep's log file."""

from __future__ import annotations

import logging


def send_logs_to(handler: logging.Handler) -> None:
    """Send every record from INFO on, and Python's warnings, to this handler alone."""
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    logging.captureWarnings(True)
