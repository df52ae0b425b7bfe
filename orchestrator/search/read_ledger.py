"""Read a ledger that another process may be writing: nothing is created, repaired or locked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.core.errors import InputError, reason
from orchestrator.core.spec import load_spec
from orchestrator.core.sweep_folder import Workspace
from orchestrator.search.ledger_trial import LedgerTrial, read_trial
from orchestrator.search.open_storage import find_studies, open_storage

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial


def read_studies(workspace: Workspace) -> dict[str, list[LedgerTrial]]:
    """Return the studies of a sweep's ledger with their started trials; empty if the ledger is missing.

    Raises:
        InputError: as `read_optuna_trials`.
    """
    studies = read_optuna_trials(workspace)
    return {study: [read_trial(trial) for trial in trials] for study, trials in studies.items()}


def read_optuna_trials(workspace: Workspace) -> dict[str, list[FrozenTrial]]:
    """Return the studies of a sweep's ledger with their started trials as Optuna's; empty if the ledger is missing.

    Raises:
        InputError: a journal is damaged before its last line, which may be incomplete, or a database cannot be
            reached.
    """
    spec = load_spec(workspace.spec) if workspace.spec.is_file() else None
    url = spec.ledger if spec else None
    if not url and not workspace.ledger.is_file():
        return {}
    from optuna.trial import TrialState

    try:
        storage = _open(url, workspace)
        return {
            study: [
                trial
                for trial in storage.get_all_trials(storage.get_study_id_from_name(name), deepcopy=False)
                if trial.state is not TrialState.WAITING
            ]
            for study, name in find_studies(storage, spec).items()
        }
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"The ledger {url or workspace.ledger} cannot be read: {reason(error)}.") from error


def _open(url: str | None, workspace: Workspace) -> BaseStorage:
    if url:
        return open_storage(url, workspace.ledger)
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    return JournalStorage(JournalFileBackend(str(workspace.ledger)))
