"""A ledger in a database: PostgreSQL for a team, SQLite for one machine."""

from __future__ import annotations

import logging
import sqlite3
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.core.errors import InputError, reason
from orchestrator.core.ledger_url import ledger_url
from orchestrator.search.retrying_storage import RETRY_SECONDS, Report, RetryingStorage

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from sqlalchemy.engine import URL

logger = logging.getLogger(__name__)

CONNECT_SECONDS = 5
"""Seconds that one attempt to reach a PostgreSQL server may take."""


def check_database(ledger: str) -> None:
    """Check that the database can be reached, without changing it.

    Raises:
        InputError: the database cannot be reached, or the file is not a database.
    """
    from sqlalchemy import create_engine, text
    from sqlalchemy.exc import SQLAlchemyError

    url = _parse(ledger)
    file = Path(url.database) if url.drivername == "sqlite" and url.database else None
    if file and not file.exists():  # a connection would create it
        if not file.parent.is_dir():
            raise InputError(f"The ledger {_name(url)} cannot be created: there is no folder {file.parent}.")
        return
    engine = create_engine(url) if file else create_engine(url, **_engine_settings(url))
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT count(*) FROM sqlite_master" if file else "SELECT 1"))
    except SQLAlchemyError as error:
        raise _unreachable(url, error) from error
    finally:
        engine.dispose()


def open_database(
    ledger: str,
    report: Report = logger.warning,
    stopping: threading.Event | None = None,
    retry_seconds: float = RETRY_SECONDS,
) -> BaseStorage:
    """Open an Optuna storage in a database; create its tables if missing.

    Args:
        ledger: the database's URL.
        report: called with one line when the database becomes unavailable.
        stopping: set when the database stays unavailable.
        retry_seconds: seconds that it may be unavailable.

    Raises:
        InputError: the database cannot be reached, may not be written, or is of another version of Optuna.
    """
    from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError, SQLAlchemyError
    from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random

    from orchestrator.search.optuna_internals import database_storage_class

    url = _parse(ledger)
    # Two sweeps that start in an empty database may both create the tables: the slower one finds them when it retries.
    creating = Retrying(
        retry=retry_if_exception_type((IntegrityError, ProgrammingError)),
        wait=wait_random(0.1, 0.5),
        stop=stop_after_attempt(5),
        reraise=True,
    )
    # Optuna replaces `{SCHEMA_VERSION}` in a URL.
    text = url.render_as_string().replace("{", "{{").replace("}", "}}")
    try:
        storage = creating(lambda: database_storage_class()(text, engine_kwargs=_engine_settings(url)))
    except OperationalError as error:
        raise _unreachable(url, error) from error
    except (SQLAlchemyError, RuntimeError) as error:
        raise InputError(f"The ledger {_name(url)} cannot be used: {_first_line(error)}") from error
    return RetryingStorage(storage, is_transient, _name(url), report, stopping, retry_seconds)


def is_transient(error: BaseException) -> bool:
    """Return whether an error of Optuna's database storage is temporary: of the server or the connection."""
    from optuna.exceptions import StorageInternalError
    from sqlalchemy import exc

    cause = error.__cause__ if isinstance(error, StorageInternalError) else error
    if isinstance(cause, exc.OperationalError | exc.InterfaceError | exc.InternalError | exc.TimeoutError):
        return True
    return isinstance(cause, exc.DBAPIError) and cause.connection_invalidated


def _parse(ledger: str) -> URL:
    from sqlalchemy.engine import make_url

    return make_url(ledger_url(ledger))


def _engine_settings(url: URL) -> dict[str, Any]:
    if url.drivername == "sqlite":
        return {"creator": lambda: _open_file(str(url.database))}
    defaults = {
        "connect_timeout": CONNECT_SECONDS,
        "application_name": "hyperassess",
        # A host that vanished is detected within half a minute instead of two hours.
        "keepalives_idle": 15,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 30_000,
    }
    settings = {key: value for key, value in defaults.items() if key not in url.query}
    # A connection that broke while idle is replaced.
    return {"pool_pre_ping": True, "connect_args": settings}


def _open_file(path: str) -> sqlite3.Connection:
    """Open a connection that syncs to disk at checkpoints only, not at each of a trial's twenty small commits.

    The write-ahead log loses nothing if the process is killed, and the newest commits at most in a power failure.
    """
    connection = sqlite3.connect(path, timeout=30, check_same_thread=False)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    return connection


def _unreachable(url: URL, error: Exception) -> InputError:
    return InputError(f"The ledger {_name(url)} cannot be reached: {_first_line(error)}")


def _first_line(error: Exception) -> str:
    inner = getattr(error, "orig", None) or error
    text = reason(inner) if isinstance(inner, OSError) else str(inner).strip().splitlines()[0]
    return text.rstrip(".") + "."


def _name(url: URL) -> str:
    """Return the database's name in messages: its URL without the query, or the path of a SQLite file."""
    return str(url.database) if url.drivername == "sqlite" else url.set(query={}).render_as_string()
