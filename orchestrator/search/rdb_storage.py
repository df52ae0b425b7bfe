"""A ledger in a database: PostgreSQL for a team, SQLite for one machine."""

from __future__ import annotations

import logging
import sqlite3
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.core.errors import InputError, reason
from orchestrator.core.ledger_url import ledger_url
from orchestrator.search.retrying_storage import PATIENCE, RetryingStorage, Say

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from sqlalchemy.engine import URL

logger = logging.getLogger(__name__)

CONNECT_SECONDS = 5
"""How long one attempt to reach a PostgreSQL server may take."""


def check_database(given: str) -> None:
    """Makes sure that the database is there, and leaves it as it is.

    Raises:
        InputError: it cannot be reached, or is none.
    """
    from sqlalchemy import create_engine, text
    from sqlalchemy.exc import SQLAlchemyError

    url = _parse(given)
    file = Path(url.database) if url.drivername == "sqlite" and url.database else None
    if file and not file.exists():  # to connect would make it
        if not file.parent.is_dir():
            raise InputError(f"The ledger {_name(url)} cannot be made: there is no folder {file.parent}.")
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
    given: str, say: Say = logger.warning, stopping: threading.Event | None = None, patience: float = PATIENCE
) -> BaseStorage:
    """An Optuna storage in a database, its tables made where they are not there.

    Args:
        given: the database's URL.
        say: told when the database goes away.
        stopping: set when it stays away.
        patience: seconds that it may be away.

    Raises:
        InputError: the database cannot be reached, may not be written, or is of another version of Optuna.
    """
    from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError, SQLAlchemyError
    from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random

    from orchestrator.search.bulk_rdb_storage import BulkRDBStorage

    url = _parse(given)
    # Two sweeps that begin in an empty database may both make the tables: the slower one finds them at its next try.
    racing = Retrying(
        retry=retry_if_exception_type((IntegrityError, ProgrammingError)),
        wait=wait_random(0.1, 0.5),
        stop=stop_after_attempt(5),
        reraise=True,
    )
    # Optuna fills `{SCHEMA_VERSION}` into a URL.
    text = url.render_as_string().replace("{", "{{").replace("}", "}}")
    try:
        storage = racing(lambda: BulkRDBStorage(text, engine_kwargs=_engine_settings(url)))
    except OperationalError as error:
        raise _unreachable(url, error) from error
    except (SQLAlchemyError, RuntimeError) as error:
        raise InputError(f"The ledger {_name(url)} cannot be used: {_first_line(error)}") from error
    return RetryingStorage(storage, is_transient, _name(url), say, stopping, patience)


def is_transient(error: BaseException) -> bool:
    """Whether an error of Optuna's database storage may go away by itself: the server's or the line's, not ours."""
    from optuna.exceptions import StorageInternalError
    from sqlalchemy import exc

    cause = error.__cause__ if isinstance(error, StorageInternalError) else error
    if isinstance(cause, exc.OperationalError | exc.InterfaceError | exc.InternalError | exc.TimeoutError):
        return True
    return isinstance(cause, exc.DBAPIError) and cause.connection_invalidated


def _parse(given: str) -> URL:
    from sqlalchemy.engine import make_url

    return make_url(ledger_url(given))


def _engine_settings(url: URL) -> dict[str, Any]:
    if url.drivername == "sqlite":
        return {"creator": lambda: _open_file(str(url.database))}
    ours = {
        "connect_timeout": CONNECT_SECONDS,
        "application_name": "hyperassess",
        # A host that vanished is noticed in half a minute and not in two hours.
        "keepalives_idle": 15,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 30_000,
    }
    settings = {key: value for key, value in ours.items() if key not in url.query}
    # A connection that broke while nobody used it is replaced without a word.
    return {"pool_pre_ping": True, "connect_args": settings}


def _open_file(path: str) -> sqlite3.Connection:
    """A connection that waits for the disk at checkpoints only, and at none of a trial's twenty small commits.

    A write-ahead log loses nothing when the process is killed, and a power cut its newest commits at most.
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
    """What people call it: no query, and the file's own path for SQLite."""
    return str(url.database) if url.drivername == "sqlite" else url.set(query={}).render_as_string()
