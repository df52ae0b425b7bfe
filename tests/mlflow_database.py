"""An SQLite database with MLflow's tables, made once and copied, since MLflow's migrations take seconds of CPU time."""

import os
import shutil
from pathlib import Path

import mlflow
import pytest
from filelock import FileLock

from orchestrator.tracking.sqlite_init import locked_sqlite


def prepared_database(config: pytest.Config) -> Path:
    """Return the database in pytest's cache folder; create it if this version of MLflow has none yet.

    Sessions and xdist's processes share it, so it must be copied, never opened.
    """
    path = config.cache.mkdir("mlflow") / f"mlflow-{mlflow.__version__}.db"
    with FileLock(path.with_suffix(".lock")):
        if not path.exists():
            draft = path.with_suffix(f".{os.getpid()}")
            with locked_sqlite(f"sqlite:///{draft}"):
                draft.rename(path)
    return path


def copy_database(database: Path, folder: Path) -> str:
    """Copy `database` to `folder/mlflow.db`, where commands look for it, and return its URI."""
    shutil.copy(database, folder / "mlflow.db")
    return f"sqlite:///{folder}/mlflow.db"
