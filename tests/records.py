"""Comparison of the three records of a finished sweep: ledger, disk, MLflow."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from mlflow import MlflowClient
from mlflow.entities import Run

from orchestrator.core.spec import load_spec
from orchestrator.core.sweep_folder import Workspace
from orchestrator.execution.job import KEY_PREFIX
from orchestrator.search.ledger import Ledger
from orchestrator.search.ledger_trial import LedgerTrial
from orchestrator.search.open_storage import open_storage, study_name
from orchestrator.search.outcome import Outcome
from orchestrator.search.space import load_space
from orchestrator.tracking.recorder import SWEEP
from orchestrator.tracking.spool import Spool

_STATUS = {Outcome.COMPLETE: "FINISHED", Outcome.PRUNED: "FINISHED"}


Read = Callable[[str], bytes]
"""Return a file of the trials, by its path below the folder of all trials."""


@dataclass(frozen=True)
class Budget:
    """Size of a sweep: trials of each arm, epochs, configurations to confirm, splits of each."""

    trials: int
    epochs: int
    confirm: int
    splits: int


class Records:
    """Records of one finished sweep, read again by other means than those that wrote them.

    Args:
        workspace: the sweep's.
        tracking_uri: of its MLflow.
        budget: what it was to do.
        read: of the trials' folders; from the workspace where it is not given.
    """

    def __init__(self, workspace: Workspace, tracking_uri: str, budget: Budget, read: Read | None = None) -> None:
        self.workspace = workspace
        self.budget = budget
        self._read = read or (lambda path: (workspace.trials / path).read_bytes())
        spec, space = load_spec(workspace.spec), load_space(workspace.space)
        storage = open_storage(spec.ledger, workspace.ledger)
        spaces = {"search": space, "control": space.without_hypernet(), "confirm": None}
        self.ledgers = {study: Ledger(storage, study_name(storage, spec, study), own) for study, own in spaces.items()}
        self.trials: dict[str, LedgerTrial] = {
            f"{KEY_PREFIX[study]}-{trial.number:04d}": trial  # type: ignore[index]
            for study, ledger in self.ledgers.items()
            for trial in ledger.all()
        }
        self.client = MlflowClient(tracking_uri)
        self.runs = self._runs()

    def _runs(self) -> list[Run]:
        sweep_id = load_spec(self.workspace.spec).id
        experiments = [experiment.experiment_id for experiment in self.client.search_experiments()]
        return list(self.client.search_runs(experiments, f"tags.sweep_id = '{sweep_id}'", max_results=1000))

    def check(self) -> int:
        """Check everything and return the number of figures compared.

        Raises:
            AssertionError: with what disagrees.
        """
        self._check_budget()
        assert Spool(self.workspace.spool).count_unsent() == 0, "events have not reached MLflow"
        keys = [run.data.tags["run_key"] for run in self.runs]
        assert sorted(keys) == sorted([SWEEP, *self.trials]), "one run for every trial, and one for the sweep"
        compared = 0
        for run in self.runs:
            key = run.data.tags["run_key"]
            if key == SWEEP:
                assert (run.info.status, run.data.tags["outcome"]) == ("FINISHED", "complete"), run.info.status
            else:
                compared += self._check_run(key, self.trials[key], run)
        self._check_result()
        return compared + self._check_artifacts()

    def _check_budget(self) -> None:
        for study in ("search", "control"):
            ledger = self.ledgers[study]
            numbers = [trial.number for trial in ledger.all()]
            assert numbers == list(range(self.budget.trials)), f"{study}: trials {numbers}"
            assert ledger.terminal() == self.budget.trials, f"{study}: {ledger.terminal()} ended"
        confirmed = [(t.attributes["source"], t.attributes["split"]) for t in self.ledgers["confirm"].all()]
        assert len(confirmed) == len(set(confirmed)), "a configuration was confirmed twice on a split"
        for study in ("search", "control"):
            for trial in self.ledgers[study].best(self.budget.confirm):
                for split in range(1, self.budget.splits + 1):
                    assert (f"{KEY_PREFIX[study]}-{trial.number:04d}", split) in confirmed  # type: ignore[index]
        assert all(trial.outcome for trial in self.trials.values())

    def _check_run(self, key: str, trial: LedgerTrial, run: Run) -> int:
        outcome = trial.outcome
        assert outcome is not None
        assert run.data.tags["outcome"] == str(outcome), f"{key}: {run.data.tags['outcome']}, the ledger has {outcome}"
        assert run.info.status == _STATUS.get(outcome, "FAILED"), f"{key}: {run.info.status} for {outcome}"
        for name, value in trial.params.items():
            assert run.data.params.get(name) == str(value), f"{key}: {name} is {run.data.params.get(name)}, not {value}"
        baselines = key.startswith("confirm") and trial.attributes["source"] is None
        if baselines:
            return len(trial.params)
        known = {epoch: value for epoch, value in trial.epochs.items() if math.isfinite(value)}
        self._check_curve(key, run, known)
        self._check_history(key, trial)
        if outcome is Outcome.COMPLETE:
            assert sorted(trial.epochs) == list(range(1, self.budget.epochs + 1)), (
                f"{key}: epochs {sorted(trial.epochs)}"
            )
        final = {k: v for k, v in trial.attributes.get("final", {}).items() if math.isfinite(v)}
        for name, value in final.items():
            logged = run.data.metrics.get(_logged_name(key, name))
            assert logged == value, f"{key}: {name} {logged}, not {value}"
        return len(trial.params) + len(known) + len(final) + 2

    def _check_curve(self, key: str, run: Run, known: dict[int, float]) -> None:
        points = self.client.get_metric_history(run.info.run_id, _logged_name(key, "val_srcc"))
        steps = sorted(point.step for point in points)
        assert len(steps) == len(set(steps)), f"{key}: points twice at {steps}"
        found = {point.step: point.value for point in points}
        assert found == known, f"{key}: the curve is {found}, the ledger has {known}"

    def _check_history(self, key: str, trial: LedgerTrial) -> None:
        lines = self._read(f"{key}/epochs.jsonl").splitlines()
        numbers = [json.loads(line)["number"] for line in lines]
        assert numbers == sorted(trial.epochs), f"{key}: history {numbers}, ledger {sorted(trial.epochs)}"

    def _check_artifacts(self) -> int:
        """Compare MLflow's artifacts of the sweep's run with its folder, byte for byte."""
        (sweep,) = [run for run in self.runs if run.data.tags["run_key"] == SWEEP]
        public = self.workspace.root / "public" / self.workspace.spec.name
        spec = public if public.is_file() else self.workspace.spec
        kept = {f"sweep/{path.name}": path for path in (spec, self.workspace.space)}
        kept |= {f"report/{path.name}": path for path in self.workspace.report.iterdir()}
        with TemporaryDirectory() as folder:
            for part in ("sweep", "report"):
                self.client.download_artifacts(sweep.info.run_id, part, folder)
            for name, path in kept.items():
                assert (Path(folder) / name).read_bytes() == path.read_bytes(), f"MLflow's {name} is another"
        return len(kept)

    def trained_again(self) -> dict[str, dict[int, float]]:
        """Return epochs that were trained again after their report, with their first time, which MLflow keeps."""
        again = {}
        for run in self.runs:
            key = run.data.tags["run_key"]
            name = _logged_name(key, "val_srcc")
            points = self.client.get_metric_history(run.info.run_id, name) if key != SWEEP else []
            if points:
                lines = [json.loads(line) for line in self._read(f"{key}/epochs.jsonl").splitlines()]
                ended = {line["number"]: int(line["time"] * 1000) for line in lines}
                repeated = [point for point in points if abs(ended[point.step] - point.timestamp) > 1]
                again[key] = {point.step: point.timestamp / 1000 for point in repeated}
        return again

    def _check_result(self) -> None:
        result = json.loads(self.workspace.result.read_text(encoding="utf-8"))
        (best,) = self.ledgers["search"].best(1)
        key = f"trial-{best.number:04d}"
        assert result["best"]["trial"] == best.number
        (confirmed,) = [t for t in self.ledgers["confirm"].all() if t.attributes["source"] == key]
        assert result["best"]["val"]["srcc"] == round(confirmed.attributes["final"]["best_val_srcc"], 6)
        assert result["best"]["test"]["srcc"] == round(confirmed.attributes["final"]["test_srcc"], 6)
        assert result["counts"] == self.ledgers["search"].counts()
        found = {run.data.tags["run_key"]: run.data.metrics for run in self.runs}
        assert found[key]["best_val_srcc"] == best.objective
        assert round(found[SWEEP]["test_srcc"], 6) == result["best"]["test"]["srcc"]


def _logged_name(key: str, metric: str) -> str:
    """Return the name of a metric in MLflow, which is another for validation metrics of confirm runs."""
    confirm = key.startswith("confirm-") and metric.startswith(("val_", "best_val_"))
    return f"confirm_{metric}" if confirm else metric
