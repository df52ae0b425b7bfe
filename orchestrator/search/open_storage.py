"""Open the storage of a sweep's ledger: the journal in its folder, or a database that several sweeps share."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

    from orchestrator.core.spec import SweepSpec
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


def study_name(storage: BaseStorage, spec: SweepSpec, study: str) -> str:
    """Return a study's name in its storage, which is `SWEEP/search`; a study of an earlier version keeps its name.

    In a database, which sweeps share, the sweep's id follows its name.
    """
    earlier = f"{spec.id}/{study}" if spec.ledger else study
    try:
        storage.get_study_id_from_name(earlier)
    except KeyError:
        return f"{_prefix(spec)}/{study}"
    return earlier


def find_studies(storage: BaseStorage, spec: SweepSpec | None) -> dict[str, str]:
    """Return study → its name in the storage, for the studies of a sweep that exist; all of them without a spec."""
    prefixes = {_prefix(spec), spec.id} if spec is not None and spec.ledger else None
    found = {}
    for existing in storage.get_all_studies():
        prefix, _, study = existing.study_name.rpartition("/")
        if prefixes is None or prefix in prefixes:
            found[study] = existing.study_name
    return found


def delete_studies(spec: SweepSpec) -> int:
    """Delete all studies of a sweep from its database; return their number.

    Raises:
        InputError: the database cannot be reached.
    """
    from orchestrator.search.rdb_storage import open_database

    assert spec.ledger
    storage = open_database(spec.ledger)
    names = find_studies(storage, spec).values()
    for name in names:
        storage.delete_study(storage.get_study_id_from_name(name))
    return len(names)


def _prefix(spec: SweepSpec) -> str:
    return f"{spec.name}-{spec.id}" if spec.ledger else spec.name
