"""Where a sweep's ledger is kept: the journal in its folder, or a database that several sweeps share."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

    from orchestrator.search.retrying_storage import Say

logger = logging.getLogger(__name__)


def open_storage(
    url: str | None, journal: Path, say: Say = logger.warning, stopping: threading.Event | None = None
) -> BaseStorage:
    """The storage of a sweep's ledger.

    Args:
        url: of a database; None for the journal.
        journal: the journal's path.
        say: told in one line what people should know: a damaged end that was cut off, a database that went away.
        stopping: set when the storage stays away, so that the sweep stops.

    Raises:
        InputError: it cannot be reached or read.
    """
    if url:
        from orchestrator.search.rdb_storage import open_database

        return open_database(url, say, stopping)
    from orchestrator.search.journal_storage import open_journal

    return open_journal(journal, say, stopping)


def study_name(url: str | None, sweep: str, study: str) -> str:
    """A study's name in its storage: a database is shared, so there it begins with the sweep's id."""
    return f"{sweep}/{study}" if url else study


def delete_studies(url: str, sweep: str) -> int:
    """Removes all studies of the sweep with this id from a database; returns how many there were.

    Raises:
        InputError: the database cannot be reached.
    """
    from orchestrator.search.rdb_storage import open_database

    storage = open_database(url)
    studies = [study for study in storage.get_all_studies() if study.study_name.startswith(f"{sweep}/")]
    for study in studies:
        storage.delete_study(study._study_id)
    return len(studies)
