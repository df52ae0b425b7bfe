"""Record of a sweep, read from its folder and its ledger while it runs or afterwards; nothing is changed or locked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from orchestrator.core.errors import InputError
from orchestrator.core.spec import SweepSpec, load_spec
from orchestrator.core.sweep_folder import Workspace
from orchestrator.core.training_files import EPOCHS
from orchestrator.execution.epoch_log import EpochLog
from orchestrator.execution.job import KEY_PREFIX, EpochReport, Study, job_key
from orchestrator.reporting.read_result import read_result
from orchestrator.reporting.winning_parameters import parameters_json
from orchestrator.search.ledger_trial import LedgerTrial, best_of, read_trial
from orchestrator.search.read_ledger import read_optuna_trials
from orchestrator.search.space import SearchSpace, load_space

if TYPE_CHECKING:
    import pandas as pd
    from optuna.trial import FrozenTrial


@dataclass(frozen=True)
class SweepRecord:
    """Settings, trials and result of a sweep.

    Attributes:
        workspace: folder of the sweep.
        spec: its settings.
        space: search space of the variant, as it was when the sweep began.
        studies: started trials by study; a study without trials may be missing.
        result: content of `result.json`; None if the sweep is not finished.
        optuna_trials: the trials of `studies` as Optuna's, for its importances and plots.
    """

    workspace: Workspace
    spec: SweepSpec
    space: SearchSpace
    studies: dict[Study, list[LedgerTrial]]
    result: dict[str, Any] | None
    optuna_trials: dict[str, list[FrozenTrial]] = field(default_factory=dict, repr=False)

    def space_of(self, study: Study) -> SearchSpace:
        """Return the search space of a study's configurations."""
        return self.space.without_hypernet() if study == "control" else self.space

    def best(self, study: Study) -> LedgerTrial | None:
        """Return the best trial of a search: the one that the result names, or the best so far without a result.

        The two may differ, since a result ranks the configurations by their confirm runs.
        """
        trials = self.studies.get(study, [])
        if named := (self.result or {}).get("best" if study == "search" else "control"):
            return next((trial for trial in trials if trial.number == named["trial"]), None)
        return next(iter(best_of(trials, 1)), None)

    def parameters(self, study: Study, trial: LedgerTrial) -> list[dict[str, Any]]:
        """Return a trial's parameters as `parameters_json` does; without defaults if they no longer fit the space."""
        try:
            return parameters_json(self.space_of(study), trial.params)
        except InputError:
            unknown = {"default": None, "differs": False}
            return [{"name": name, "value": value, **unknown} for name, value in trial.params.items()]

    def epochs(self, study: Study, trial: LedgerTrial) -> dict[int, EpochReport]:
        """Return a trial's logged epochs by number; empty if its folder is on another host."""
        return EpochLog(self.workspace.trials / job_key(study, trial.number) / EPOCHS).undamaged()

    def trials_table(self) -> pd.DataFrame:
        """Return a table with one row per trial: study, key, outcome, objective, times, error, parameters, metrics."""
        import pandas as pd

        rows = [_trial_row(study, trial) for study in KEY_PREFIX for trial in self.studies.get(study, [])]
        return pd.DataFrame(rows or None, columns=None if rows else _TRIAL_COLUMNS)

    def epochs_table(self) -> pd.DataFrame:
        """Return a table with one row per epoch: study, key, epoch, objective, and the metrics logged on this host."""
        import pandas as pd

        rows = []
        for study in KEY_PREFIX:
            for trial in self.studies.get(study, []):
                logged = self.epochs(study, trial)
                for epoch, objective in sorted(trial.epochs.items()):
                    own = {"study": study, "number": trial.number, "key": job_key(study, trial.number), "epoch": epoch}
                    report = logged.get(epoch)
                    more = {"seconds": report.seconds, **report.metrics} if report else {}
                    rows.append({**own, "objective": objective, **more})
        return pd.DataFrame(rows or None, columns=None if rows else ["study", "number", "key", "epoch", "objective"])


_TRIAL_COLUMNS = (
    *("study", "number", "key", "outcome", "objective", "best_epoch", "epochs", "source", "split"),
    *("started", "ended", "seconds", "error"),
)


def _trial_row(study: Study, trial: LedgerTrial) -> dict[str, Any]:
    error = str(trial.attributes.get("error", "")).strip().splitlines()
    seconds = (trial.ended - trial.started).total_seconds() if trial.started and trial.ended else None
    values = (
        *(study, trial.number, job_key(study, trial.number), str(trial.outcome or ""), trial.objective),
        *(trial.best_epoch, len(trial.epochs), trial.attributes.get("source"), trial.attributes.get("split")),
        *(trial.started, trial.ended, seconds, error[-1] if error else None),
    )
    return dict(zip(_TRIAL_COLUMNS, values, strict=True)) | trial.params | trial.attributes.get("final", {})


def read_sweep_record(workspace: Workspace) -> SweepRecord:
    """Read the record of a sweep, finished or not.

    Raises:
        InputError: its settings, its space, its ledger or its result cannot be read.
    """
    spec = load_spec(workspace.spec)
    found = read_optuna_trials(workspace)
    return SweepRecord(
        workspace=workspace,
        spec=spec,
        space=load_space(workspace.space, begun=True),
        studies={study: [read_trial(trial) for trial in trials] for study, trials in found.items()},  # type: ignore[misc]
        result=read_result(workspace, spec),
        optuna_trials=found,
    )
