"""Reading a ledger that somebody else may be writing: nothing is made, mended or locked."""

from __future__ import annotations

from orchestrator.errors import InputError, reason
from orchestrator.search.ledger import LedgerTrial, read_trial
from orchestrator.workspace import Workspace


def read_studies(workspace: Workspace) -> dict[str, list[LedgerTrial]]:
    """Every study of a sweep's ledger with the trials that were asked for; none where there is no ledger yet.

    Raises:
        InputError: the journal is damaged elsewhere than in a last line that is still being written.
    """
    path = workspace.ledger
    if not path.is_file():
        return {}
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend
    from optuna.trial import TrialState

    try:
        storage = JournalStorage(JournalFileBackend(str(path)))
        return {
            study.study_name: [
                read_trial(trial)
                for trial in storage.get_all_trials(study._study_id, deepcopy=False)
                if trial.state is not TrialState.WAITING
            ]
            for study in storage.get_all_studies()
        }
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"The ledger {path} cannot be read: {reason(error)}.") from error
