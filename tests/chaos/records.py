"""Whether the three records of a finished sweep agree: ledger, disk, MLflow."""

import json
import math

from mlflow import MlflowClient
from mlflow.entities import Run

from orchestrator.execution.job import TITLES
from orchestrator.search.journal import open_journal
from orchestrator.search.ledger import Ledger, LedgerTrial
from orchestrator.search.outcome import Outcome
from orchestrator.search.space import load_space
from orchestrator.spec import load_spec
from orchestrator.tracking.recorder import SWEEP
from orchestrator.tracking.spool import Spool
from tests.chaos.world import CONFIRM, EPOCHS, SPLITS, TRIALS, World

_STATUS = {Outcome.COMPLETE: "FINISHED", Outcome.PRUNED: "FINISHED"}


class Records:
    """The records of one finished sweep, read anew by other means than those that wrote them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.workspace = world.workspace
        storage, space = open_journal(self.workspace.ledger), load_space(self.workspace.space)
        spaces = {"search": space, "control": space.without_hypernet(), "confirm": None}
        self.ledgers = {study: Ledger(storage, study, own) for study, own in spaces.items()}
        self.trials: dict[str, LedgerTrial] = {
            f"{TITLES[study]}-{trial.number:04d}": trial  # type: ignore[index]
            for study, ledger in self.ledgers.items()
            for trial in ledger.all()
        }
        self.client = MlflowClient(world.server.uri)
        self.runs = self._runs()

    def _runs(self) -> list[Run]:
        sweep_id = load_spec(self.workspace.spec).id
        experiments = [experiment.experiment_id for experiment in self.client.search_experiments()]
        return list(self.client.search_runs(experiments, f"tags.sweep_id = '{sweep_id}'", max_results=1000))

    def check(self) -> int:
        """Checks everything; gives how many figures were compared.

        Raises:
            AssertionError: with what disagrees.
        """
        self._check_budget()
        assert Spool(self.workspace.spool).left() == 0, "events have not reached MLflow"
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
        return compared

    def _check_budget(self) -> None:
        for study in ("search", "control"):
            ledger = self.ledgers[study]
            numbers = [trial.number for trial in ledger.all()]
            assert numbers == list(range(TRIALS)), f"{study}: trials {numbers}"
            assert ledger.terminal() == TRIALS, f"{study}: {ledger.terminal()} of {TRIALS} ended"
        assert any(trial.outcome is Outcome.DIVERGED for trial in self.trials.values()), "the one that must diverge"
        confirmed = [(t.attributes["source"], t.attributes["split"]) for t in self.ledgers["confirm"].all()]
        assert len(confirmed) == len(set(confirmed)), "a configuration was confirmed twice on a split"
        for study in ("search", "control"):
            for trial in self.ledgers[study].best(CONFIRM):
                for split in range(1, SPLITS + 1):
                    assert (f"{TITLES[study]}-{trial.number:04d}", split) in confirmed  # type: ignore[index]
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
            assert sorted(trial.epochs) == list(range(1, EPOCHS + 1)), f"{key}: epochs {sorted(trial.epochs)}"
        final = {k: v for k, v in trial.attributes.get("final", {}).items() if math.isfinite(v)}
        for name, value in final.items():
            assert run.data.metrics.get(name) == value, f"{key}: {name} {run.data.metrics.get(name)}, not {value}"
        return len(trial.params) + len(known) + len(final) + 2

    def _check_curve(self, key: str, run: Run, known: dict[int, float]) -> None:
        points = self.client.get_metric_history(run.info.run_id, "val_srcc")
        steps = sorted(point.step for point in points)
        assert len(steps) == len(set(steps)), f"{key}: points twice at {steps}"
        found = {point.step: point.value for point in points}
        assert found == known, f"{key}: the curve is {found}, the ledger has {known}"

    def _check_history(self, key: str, trial: LedgerTrial) -> None:
        lines = (self.workspace.trials / key / "epochs.jsonl").read_text().splitlines()
        numbers = [json.loads(line)["number"] for line in lines]
        assert numbers == sorted(trial.epochs), f"{key}: history {numbers}, ledger {sorted(trial.epochs)}"

    def _check_result(self) -> None:
        result = json.loads(self.workspace.result.read_text())
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
