"""Failures of MLflow: those that no waiting changes, each with what to do, and all others, which may pass."""

from __future__ import annotations

import re
from typing import Any

_RULES = (
    ("certificate_verify_failed", "its certificate is not trusted: set MLFLOW_TRACKING_SERVER_CERT_PATH"),
    ("wrong_version_number", "it does not speak https: write http://"),
    ("record_layer_failure", "it does not speak https: write http://"),
    ("invalid url", "it is not a valid address: write http://HOST:PORT"),
    ("filesystem tracking backend", "it is a folder: write sqlite:///FILE"),
    ("unsupported uri", "its scheme is unknown: write http://HOST:PORT or sqlite:///FILE"),
    ("out-of-date database schema", "its tables are of another version: run mlflow db upgrade"),
    ("can't locate revision", "its tables are of a later version of MLflow: upgrade MLflow"),
    ("readonly database", "it cannot be written: choose another with --tracking-uri"),
    ("file is not a database", "it is not a database: choose another with --tracking-uri"),
    ("not in a valid json format", "it answers with a web page: correct the address"),
)
"""Words of a message, in lower case → the reason."""

_RIGHTS = {401, 403}
_NO_API = {404, 405, 501}


def permanent_reason(error: BaseException) -> str | None:
    """Return why MLflow will never do what was asked, with the remedy; None if the failure may pass.

    Args:
        error: an exception of MLflow's client, of requests or of a database.
    """
    if isinstance(error, ModuleNotFoundError):
        return f"its driver is missing: pip install {error.name}"
    if isinstance(error, PermissionError):
        return f"{error.filename or 'a file'} cannot be written"
    text = str(error).lower()
    status = _status(error)
    if status in _RIGHTS:
        return "it refuses this user: set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
    if status in _NO_API and "failed with error code" in text:
        return "no MLflow answers under this path: correct the path, often given as --static-prefix"
    return next((reason for words, reason in _RULES if words in text or words.replace("_", " ") in text), None)


def _status(error: Any) -> int | None:
    """Return the HTTP status of an exception of MLflow, from its message if there is one in it."""
    if found := re.search(r"failed with error code (\d{3})", str(error)):
        return int(found[1])
    ask = getattr(error, "get_http_status_code", None)
    return int(ask()) if ask is not None else None
