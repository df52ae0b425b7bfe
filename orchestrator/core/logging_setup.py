"""What the project and its libraries log, on its way to a sweep's log file."""

from __future__ import annotations

import logging


def send_logs_to(handler: logging.Handler) -> None:
    """Everything from INFO on, warnings among it, goes there and nowhere else."""
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    logging.captureWarnings(True)
