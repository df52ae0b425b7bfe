"""Form of MLflow's address, checked without contacting it; the refusal says what to write instead."""

from __future__ import annotations

import os
import re
from importlib.metadata import entry_points
from pathlib import Path
from urllib.parse import urlsplit

from orchestrator.core.errors import InputError
from orchestrator.core.sqlite_url import sqlite_file, sqlite_url
from orchestrator.core.url_passwords import without_passwords

DATABASES = {"postgresql", "mysql", "mssql"}
_OTHERS = {"databricks", "databricks-uc", "uc"}
_HOST_AND_PORT = re.compile(r"[\w.-]+:\d+(/.*)?")


def check_tracking_uri(uri: str) -> None:
    """Check the form of a tracking URI.

    Raises:
        InputError: MLflow cannot use it, whatever answers there.

    Example:
        >>> check_tracking_uri("http://127.0.0.1:5000")
        >>> check_tracking_uri("localhost:5000")
        Traceback (most recent call last):
        orchestrator.core.errors.InputError: MLflow's address localhost:5000 has no scheme: write http://localhost:5000.
    """
    shown = without_passwords(uri)
    try:
        scheme = urlsplit(uri).scheme
    except ValueError:
        raise InputError(f"MLflow's address {shown} is not valid: write http://HOST:PORT.") from None
    if scheme in {"http", "https"}:
        _check_server(uri, shown)
    elif scheme == "sqlite":
        _check_sqlite(uri, shown)
    elif _HOST_AND_PORT.fullmatch(uri) and not Path(uri).exists():
        raise InputError(f"MLflow's address {shown} has no scheme: write http://{shown}.")
    elif scheme in {"", "file"} and uri not in _OTHERS:
        _refuse_folder(uri, shown)
    elif scheme and scheme.partition("+")[0] not in DATABASES | _OTHERS | _plugins():
        raise InputError(f"MLflow's address {shown} has an unknown scheme: write http://HOST:PORT or sqlite:///FILE.")


def _check_server(uri: str, shown: str) -> None:
    parts = urlsplit(uri)
    try:
        valid = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        valid = False
    if not valid:
        raise InputError(f"MLflow's address {shown} has no valid host and port: write {parts.scheme}://HOST:PORT.")
    if parts.query or parts.fragment or "//" in parts.path:
        path = re.sub("/+", "/", parts.path).rstrip("/")
        better = without_passwords(parts._replace(path=path, query="", fragment="").geturl())
        wrong = "a doubled slash" if "//" in parts.path else "the address of a page"
        raise InputError(f"MLflow's address {shown} has {wrong}: write {better}.")


def _check_sqlite(uri: str, shown: str) -> None:
    file = sqlite_file(uri)
    if file is None or not uri.startswith("sqlite:///"):
        raise InputError(f"MLflow's address {shown} names no file: write sqlite:///FILE.")
    if file.is_dir():
        raise InputError(f"MLflow's address {shown} is a folder: write {sqlite_url(file / 'mlflow.db')}.")


def _refuse_folder(uri: str, shown: str) -> None:
    if os.environ.get("MLFLOW_ALLOW_FILE_STORE", "").lower() in {"true", "1"}:
        return
    better = sqlite_url(Path(uri.removeprefix("file://")).absolute().parent / "mlflow.db")
    raise InputError(f"MLflow no longer keeps runs in a folder such as {shown}: write {better}.")


def _plugins() -> set[str]:
    """Return the schemes that installed plugins of MLflow add."""
    return {point.name for point in entry_points(group="mlflow.tracking_store")}
