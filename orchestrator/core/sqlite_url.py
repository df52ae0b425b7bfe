"""URLs of SQLite files: one function from a path to its URL, and one back."""

from __future__ import annotations

from pathlib import Path


def sqlite_url(path: Path) -> str:
    """Return the URL of a SQLite file; characters that SQLAlchemy would read differently are escaped.

    Example:
        >>> sqlite_url(Path("/data/mlflow.db"))
        'sqlite:////data/mlflow.db'
        >>> sqlite_file(sqlite_url(Path("/50%2F/a?b/mlflow.db"))).as_posix()
        '/50%2F/a?b/mlflow.db'
    """
    from sqlalchemy.engine import URL, make_url

    plain = f"sqlite:///{path}"
    if make_url(plain).database == str(path):
        return plain
    return URL.create("sqlite", database=str(path)).render_as_string()


def sqlite_file(url: str) -> Path | None:
    """Return the absolute path of the file of a SQLite URL; None for any other URL and for a database in memory."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        parts = make_url(url)
    except (ArgumentError, ValueError):
        return None
    if parts.get_backend_name() != "sqlite" or not parts.database or parts.database == ":memory:":
        return None
    return Path(parts.database).absolute()


def escaped_folder(url: str) -> Path | None:
    """Return the folder that MLflow creates in addition because it does not unescape a SQLite URL; None if not."""
    file = sqlite_file(url)
    folder = Path(url.partition("?")[0].partition("///")[2]).parent.absolute()
    return folder if file is not None and folder != file.parent else None
