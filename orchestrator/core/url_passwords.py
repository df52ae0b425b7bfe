"""Passwords in addresses: refused if a record or the process list would show them, else kept in the environment."""

from __future__ import annotations

import os
import re
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit, urlunsplit

from orchestrator.core.errors import InputError

_SECRET = re.compile(r"password|secret|token", re.IGNORECASE)


def without_passwords(text: str) -> str:
    """Remove passwords: `scheme://user:password@host` becomes `scheme://host`, `?password=…` becomes `?password=`."""
    text = re.sub(r"(\w+://)[^/\s\"']+@", r"\1", text)
    return re.sub(r"([?&]\w*(?:password|secret|token)=)[^&\s\"']+", r"\1", text, flags=re.IGNORECASE)


def holds_password(uri: str) -> bool:
    """Return whether a URI holds a password, in its user part or in its query."""
    return _has_secret(_split(uri))


def refuse_password(option: str, uri: str) -> str:
    """Return the URI of an MLflow that was typed or written into a configuration, unchanged.

    Raises:
        InputError: the URI holds a password, which the message does not repeat.
    """
    if holds_password(uri):
        raise InputError(
            f"{option} holds a password: put it into MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD "
            "(PGPASSWORD or ~/.pgpass for a database), where no record shows it."
        )
    return uri


def move_to_environment(source: str, uri: str) -> str:
    """Move user and password of an MLflow server's URI into MLflow's own variables, and return the rest.

    Args:
        source: origin of the URI, for messages.
        uri: from the environment, the profile file, or the records of an early sweep.

    Raises:
        InputError: the URI is a database's and holds a password.
    """
    parts = _split(uri)
    if parts.scheme not in {"http", "https"}:
        return refuse_password(source, uri)
    if parts.username is None:
        return uri
    os.environ.setdefault("MLFLOW_TRACKING_USERNAME", unquote(parts.username))
    os.environ.setdefault("MLFLOW_TRACKING_PASSWORD", unquote(parts.password or ""))
    bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    if os.environ.get("MLFLOW_TRACKING_URI") == uri:
        os.environ["MLFLOW_TRACKING_URI"] = bare  # MLflow reads it too, and repeats it in its errors
    return bare


def _split(uri: str) -> SplitResult:
    try:
        return urlsplit(uri)
    except ValueError as error:  # the URI is not repeated, since it may hold a password
        raise InputError(f"The tracking URI is not valid: {error}.") from None


def _has_secret(parts: SplitResult) -> bool:
    return bool(parts.password) or any(_SECRET.search(key) for key, _ in parse_qsl(parts.query))
