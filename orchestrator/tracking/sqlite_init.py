"""Create and open MLflow's SQLite database: one process at a time, and a new file with all tables or not at all.

MLflow creates missing tables by dozens of migrations. If two processes do so, one fails with "duplicate column name".
SQLite commits each migration by itself. A process that is killed between them leaves a database that cannot be opened
("table _alembic_tmp_… already exists").
"""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from importlib.metadata import version
from pathlib import Path

from filelock import FileLock, Timeout

from models.cache_folder import cache_dir
from orchestrator.core.sqlite_url import escaped_folder, sqlite_file, sqlite_url

logger = logging.getLogger(__name__)

_LOCK_SECONDS = 300.0
"""Seconds to wait for the lock. The tables take about ten to create, several times that on a busy machine."""


@contextmanager
def locked_sqlite(tracking_uri: str, timeout: float = _LOCK_SECONDS) -> Iterator[None]:
    """Hold the lock of an SQLite file and create its tables; do nothing for a server, which creates its own.

    Continue without the lock if the folder cannot be written, or after `timeout` seconds.
    """
    path = sqlite_file(tracking_uri)
    if path is None or not path.parent.is_dir():
        yield
        return
    path = path.resolve()
    lock = FileLock(path.with_name(f".{path.name}.lock"), timeout=timeout)
    try:
        lock.acquire()
    except (Timeout, OSError) as error:
        logger.warning("%s is opened without its lock: %s", path, error)
    try:
        with _without_escaped_folder(tracking_uri):
            if lock.is_locked and not path.exists():
                _create(path)
            yield
    finally:
        lock.release()


@contextmanager
def _without_escaped_folder(url: str) -> Iterator[None]:
    """Remove the empty folder that MLflow creates under the escaped name of the database's folder."""
    folder = escaped_folder(url)
    existed = folder is None or folder.exists()
    try:
        yield
    finally:
        if folder is not None and not existed:
            with suppress(OSError):
                folder.rmdir()


def _create(path: Path) -> None:
    """Create an MLflow database with all tables in one step: a copy of the empty database in the cache."""
    whole = path.with_name(f".{path.name}.new")
    try:
        shutil.copyfile(_empty_database(), whole)
    except OSError as error:
        logger.warning("no empty database of MLflow is kept in the cache: %s", error)
        _write_tables(whole)
    os.rename(whole, path)


def _empty_database() -> Path:
    """Return the empty database of this version of MLflow in the cache; create it if it is missing.

    Raises:
        OSError: the cache cannot be written.
    """
    folder = cache_dir() / "mlflow"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"empty-{version('mlflow')}.db"
    with FileLock(folder / ".lock", timeout=_LOCK_SECONDS):
        if not path.exists():
            whole = path.with_suffix(".new")
            _write_tables(whole)
            os.rename(whole, path)
    return path


def _write_tables(path: Path) -> None:
    """Write a new database with all tables to `path`."""
    draft = path.with_name(f"{path.name}.draft")
    for leftover in (path, draft, *path.parent.glob(f"{draft.name}-*")):
        leftover.unlink(missing_ok=True)
    _create_tables(sqlite_url(draft))
    with closing(sqlite3.connect(draft)) as connection:
        connection.execute("VACUUM INTO ?", (str(path),))  # one file, with the content of the draft's journal
    for leftover in (draft, *path.parent.glob(f"{draft.name}-*")):
        leftover.unlink(missing_ok=True)


def _create_tables(uri: str) -> None:
    """Run `mlflow db upgrade`: in this process, where MLflow is imported already, else as a command."""
    from mlflow import db

    callback = getattr(getattr(db, "upgrade", None), "callback", None)
    if callback is None:
        command = [sys.executable, "-m", "mlflow", "db", "upgrade", uri]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=_LOCK_SECONDS)
    else:
        callback(uri)
