"""Opening an MLflow database: one process at a time, so that a fresh one gets its tables once.

MLflow makes its tables where it finds none, by dozens of migrations that two processes trip over: one fails with
"duplicate column name", and the database may stay half made.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

logger = logging.getLogger(__name__)

_PATIENCE = 300.0
"""Seconds; making the tables takes some ten, and many times that on a busy machine."""


@contextmanager
def one_at_a_time(tracking_uri: str, patience: float = _PATIENCE) -> Iterator[None]:
    """Inside, no other process is inside with the same SQLite file; a server sees to its own tables.

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
        yield
    finally:
        lock.release()


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
