"""Open the storage of a sweep's ledger: the journal in its folder, or a database that several sweeps share."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

    from orchestrator.search.retrying_storage import Report

logger = logging.getLogger(__name__)


def open_storage(
    url: str | None, journal: Path, report: Report = logger.warning, stopping: threading.Event | None = None
) -> BaseStorage:
    """Open the storage of a sweep's ledger.

    Args:
        url: the database; None for the journal.
        journal: the journal's path.
        report: called with one line if a damaged end was cut off or a database became unavailable.
        stopping: set when the storage stays unavailable, so that the sweep stops.

    Raises:
        InputError: the storage cannot be reached or read.
    """
    if url:
        from orchestrator.search.rdb_storage import open_database

        return open_database(url, report, stopping)
    from orchestrator.search.journal_storage import open_journal

    return open_journal(journal, report, stopping)


def study_name(url: str | None, sweep: str, study: str) -> str:
    """Return a study's name in its storage; in a database, which sweeps share, it begins with the sweep's id."""
    return f"{sweep}/{study}" if url else study


def delete_studies(url: str, sweep: str) -> int:
    """Delete all studies of the sweep with this id from a database; return their number.

    Raises:
        InputError: the database cannot be reached.
    """
    from orchestrator.search.rdb_storage import open_database

    storage = open_database(url)
    studies = [study for study in storage.get_all_studies() if study.study_name.startswith(f"{sweep}/")]
    for study in studies:
        storage.delete_study(storage.get_study_id_from_name(study.study_name))
    return len(studies)
