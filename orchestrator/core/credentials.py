"""Passwords in addresses: refused where a record or the process list would show them, else kept apart from them."""

from __future__ import annotations

import os
import re
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit, urlunsplit

from orchestrator.core.errors import InputError

_SECRET = re.compile(r"password|secret|token", re.IGNORECASE)


def without_passwords(text: str) -> str:
    """The text with `scheme://user:password@host` made `scheme://host`, and `?password=…` made `?password=`."""
    text = re.sub(r"(\w+://)[^/\s\"']+@", r"\1", text)
    return re.sub(r"([?&]\w*(?:password|secret|token)=)[^&\s\"']+", r"\1", text, flags=re.IGNORECASE)


def holds_password(uri: str) -> bool:
    """Whether a URI gives away a password, in its user part or in its query."""
    return _has_secret(_split(uri))


def refuse_password(option: str, uri: str) -> str:
    """The URI of an MLflow that was typed or written into a configuration, as it is.

    Raises:
        InputError: it holds a password; which is not repeated.
    """
    if holds_password(uri):
        raise InputError(
            f"{option} holds a password: put it into MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD "
            "(PGPASSWORD or ~/.pgpass for a database), where no record shows it."
        )
    return uri


def move_to_environment(source: str, uri: str) -> str:
    """The URI of an MLflow server without its user and password, which MLflow's own variables hold from now on.

    Args:
        source: where the URI is from, for people.
        uri: from the environment, the profile file, or the records of an early sweep.

    Raises:
        InputError: it is a database's and holds a password.
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
        os.environ["MLFLOW_TRACKING_URI"] = bare  # MLflow reads it itself, and says it in its errors
    return bare


def _split(uri: str) -> SplitResult:
    try:
        return urlsplit(uri)
    except ValueError as error:  # what was given is not repeated: it may hold a password
        raise InputError(f"The tracking URI is none: {error}.") from None


def _has_secret(parts: SplitResult) -> bool:
    return bool(parts.password) or any(_SECRET.search(key) for key, _ in parse_qsl(parts.query))
