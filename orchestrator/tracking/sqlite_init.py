"""Opening an MLflow database: one process at a time, and a fresh file appears with all of its tables or not at all.

MLflow makes its tables where it finds none, by dozens of migrations. Two processes trip over them: one fails with
"duplicate column name". And SQLite commits each by itself, so that a process killed among them leaves a database that
nothing can open again ("table _alembic_tmp_… already exists").
"""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

logger = logging.getLogger(__name__)

_PATIENCE = 300.0
"""Seconds; making the tables takes some ten, and many times that on a busy machine."""


@contextmanager
def locked_sqlite(tracking_uri: str, patience: float = _PATIENCE) -> Iterator[None]:
    """Inside, no other process is inside with the same SQLite file, which has its tables; a server sees to its own.

    Whoever cannot lock, because the folder cannot be written, or has waited for long enough, goes on without.
    """
    path = _file_of(tracking_uri)
    if path is None or not path.parent.is_dir():
        yield
        return
    lock = FileLock(path.with_name(f".{path.name}.lock"), timeout=patience)
    try:
        lock.acquire()
    except (Timeout, OSError) as error:
        logger.warning("%s is opened without its lock: %s", path, error)
    try:
        if lock.is_locked and not path.exists():
            _make(path)
        yield
    finally:
        lock.release()


def _make(path: Path) -> None:
    """An MLflow database with all of its tables, made beside `path` and put there in one step."""
    draft, whole = path.with_name(f".{path.name}.draft"), path.with_name(f".{path.name}.new")
    for leftover in (draft, whole, *path.parent.glob(f"{draft.name}-*")):
        leftover.unlink(missing_ok=True)
    _make_tables(f"sqlite:///{draft}")
    with closing(sqlite3.connect(draft)) as connection:
        connection.execute("VACUUM INTO ?", (str(whole),))  # one file, whatever the draft's journal still holds
    for leftover in (draft, *path.parent.glob(f"{draft.name}-*")):
        leftover.unlink(missing_ok=True)
    os.rename(whole, path)


def _make_tables(uri: str) -> None:
    from mlflow.db import upgrade  # what `mlflow db upgrade` runs

    assert upgrade.callback is not None
    upgrade.callback(uri)


def _file_of(tracking_uri: str) -> Path | None:
    """The file of an SQLite database, wherever links lead to it; None for anything else."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(tracking_uri)
    except ArgumentError:
        return None
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        return None
    return Path(url.database).resolve()
