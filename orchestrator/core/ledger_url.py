"""URL of a ledger: PostgreSQL or a SQLite file, checked and in one form."""

from __future__ import annotations

from pathlib import Path

from orchestrator.core.errors import InputError

_DRIVERS = {
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
    "sqlite": "sqlite",
}
_SECRETS = {"password", "sslpassword", "oauth_client_secret"}


def ledger_url(given: str) -> str:
    """Return the URL as it is saved with a sweep: with its driver, and a SQLite file by its absolute path.

    Raises:
        InputError: the text is not a URL, names another database or one in memory, or holds a password.
    """
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(given)
    except (ArgumentError, ValueError):
        # The text is not repeated, since it may hold a password.
        raise InputError("--ledger is not a database URL such as postgresql://HOST/NAME or sqlite:///FILE.") from None
    if url.drivername not in _DRIVERS:
        raise InputError(f"--ledger: {url.drivername} is not supported; postgresql and sqlite are.")
    if url.password is not None or _SECRETS & set(url.query):
        raise InputError("--ledger holds a password: put it into PGPASSWORD or ~/.pgpass, where no record shows it.")
    url = url.set(drivername=_DRIVERS[url.drivername])
    if url.drivername == "sqlite":
        if not url.database or ":memory:" in url.database or url.database.startswith("file:"):
            raise InputError("--ledger: a SQLite ledger is a file: sqlite:///FILE.")
        url = url.set(database=str(Path(url.database).expanduser().absolute()))
    return url.render_as_string()
