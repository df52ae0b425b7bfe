"""Summary of a sweep, computed from its ledgers and the predictions on disk."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from orchestrator.core.training_files import PREDICTIONS
from orchestrator.data.read_predictions import read_predictions
from orchestrator.data.read_table import read_table
from orchestrator.execution.baselines_job import REASONS
from orchestrator.execution.cross_dataset_eval import CROSS, CROSS_PREDICTIONS, cross_prefix
from orchestrator.execution.job import job_key
from orchestrator.execution.median_run import median_run
from orchestrator.execution.plan import Arm, exhausted_sentence
from orchestrator.reporting.aggregate import (
    Figures,
    bounds_json,
    figures_json,
    final_figures,
    number_json,
    predictions,
    rows_of,
    table_figures,
)
from orchestrator.reporting.baseline_names import BASELINES
from orchestrator.reporting.winning_parameters import parameters_json
from orchestrator.search.ledger import Ledger
from orchestrator.search.ledger_trial import LedgerTrial
from orchestrator.search.outcome import Outcome
from orchestrator.training.bootstrap import Interval, paired_interval

if TYPE_CHECKING:
    from orchestrator.execution.prepare import PreparedSweep

HEADLINES = ("srcc", "plcc", "plcc_fitted", "srcc_within_generator", "srcc_within_prompt")
"""Test metrics that a sweep's run in MLflow has."""


@dataclass(frozen=True)
class ConfirmedConfiguration:
    """A configuration with the figures of its search trial and its confirm runs.

    Attributes:
        source: key of the search trial.
        study: "search" for the variant, "control" for the control.
        variant: the trained variant.
        trial: the search trial.
        runs: keys of its confirm runs, in the order of their splits.
        representative: the run with the median validation score, whose model stands for the configuration.
        validation: medians over the confirm runs' best epochs; the search trial's if nothing was confirmed.
        test: figures on test; None if nothing was confirmed.
        cross: figures on a second data set; None without one, or if nothing was confirmed.
    """

    source: str
    study: str
    variant: str
    trial: LedgerTrial
    runs: tuple[str, ...]
    representative: str | None
    validation: Figures
    test: Figures | None
    cross: Figures | None = None


@dataclass(frozen=True)
class BaselineFigures:
    """A baseline over the same splits: its figures on test and on a second data set, or the reason for none."""

    name: str
    test: Figures | None
    reason: str | None
    cross: Figures | None = None


@dataclass(frozen=True)
class PairedComparison:
    """The best configuration against another model on the same splits: median paired difference in test SRCC."""

    against: str
    target: str
    difference: Interval


@dataclass(frozen=True)
class Summary:
    """Results of a sweep.

    Attributes:
        confirmed: the variant's configurations and then the control's, best first.
        exhausted: sentence for each search that ended before its budget since no configuration was left, by study.
    """

    prepared: PreparedSweep
    confirmed: tuple[ConfirmedConfiguration, ...]
    baselines: tuple[BaselineFigures, ...]
    comparisons: tuple[PairedComparison, ...]
    counts: dict[str, dict[str, int]]
    optimistic: bool
    exhausted: dict[str, str] = field(default_factory=dict)

    def best(self, study: str) -> ConfirmedConfiguration | None:
        """Return the configuration of a study with the highest validation median; test does not affect the choice."""
        return next((line for line in self.confirmed if line.study == study), None)

    def headline_metrics(self) -> dict[str, float]:
        """Return the metrics of the sweep's own run in MLflow."""
        metrics: dict[str, float] = {}
        if best := self.best("search"):
            metrics |= {f"val_{name}": best.validation.metrics[name] for name in ("srcc", "plcc")}
            if best.test:
                metrics |= {f"test_{name}": best.test.metrics[name] for name in HEADLINES}
        if (control := self.best("control")) and control.test:
            metrics["control_test_srcc"] = control.test.metrics["srcc"]
        metrics |= {f"{b.name}_test_srcc": b.test.metrics["srcc"] for b in self.baselines if b.test}
        metrics |= self._cross_headlines()
        metrics |= {f"trials_{outcome}": count for outcome, count in self.counts["search"].items()}
        return {key: value for key, value in metrics.items() if math.isfinite(value)}

    def _cross_headlines(self) -> dict[str, float]:
        if self.prepared.cross is None:
            return {}
        prefix = cross_prefix(self.prepared.cross.label)
        metrics: dict[str, float] = {}
        if (best := self.best("search")) and best.cross:
            metrics |= {f"{prefix}{name}": best.cross.metrics[name] for name in ("krcc", *HEADLINES)}
        if (control := self.best("control")) and control.cross:
            metrics[f"control_{prefix}srcc"] = control.cross.metrics["srcc"]
        return metrics | {f"{b.name}_{prefix}srcc": b.cross.metrics["srcc"] for b in self.baselines if b.cross}

    def as_result(self) -> dict[str, Any]:
        """Return the object that `--json` prints and `result.json` has, with null for NaN."""
        spec = self.prepared.spec
        best, control = self.best("search"), self.best("control")
        return {
            "sweep_id": spec.id,
            "name": spec.name,
            "variant": spec.variant,
            "dataset": self.prepared.dataset.name,
            "targets": list(self.prepared.targets),
            "protocol": spec.protocol,
            "confirm": spec.confirm,
            "splits": spec.splits,
            "optimistic": self.optimistic,
            "cross": self.prepared.cross.as_dict() if self.prepared.cross else None,
            "best": self._winner(best),
            "control": self._winner(control),
            "confirmed": [_configuration(line) for line in self.confirmed],
            "baselines": {line.name: _baseline_json(line) for line in self.baselines},
            "comparisons": [
                {
                    "against": comparison.against,
                    "target": comparison.target,
                    "srcc_difference": number_json(comparison.difference.estimate),
                    "interval": bounds_json(comparison.difference),
                }
                for comparison in self.comparisons
            ],
            "counts": self.counts["search"],
            "control_counts": self.counts.get("control"),
            "exhausted": list(self.exhausted),
            "exhausted_sentences": dict(self.exhausted),
        }

    def _winner(self, line: ConfirmedConfiguration | None) -> dict[str, Any] | None:
        if line is None:
            return None
        prepared = self.prepared
        space = prepared.control_space if line.study == "control" and prepared.control_space else prepared.space
        parameters = parameters_json(space, line.trial.params)
        return {**_configuration(line), "run": line.representative, "parameters": parameters}


def summarise(prepared: PreparedSweep, arms: Sequence[Arm], confirm: Ledger, trials: Path) -> Summary:
    """Return the summary of a sweep whose jobs have all ended."""
    ended = [trial for trial in confirm.trials() if trial.outcome is Outcome.COMPLETE]
    runs: dict[str | None, list[LedgerTrial]] = {}
    for trial in ended:
        runs.setdefault(trial.attributes["source"], []).append(trial)
    confirmed = [line for arm in arms for line in _confirmed(arm, runs, trials, prepared)]
    baseline_runs = runs.get(None, [])
    tables = {name: _tables(baseline_runs, trials, f"{name}.csv") for name in BASELINES}
    baselines = tuple(_baseline(name, tables[name], baseline_runs, trials, prepared) for name in BASELINES)
    return Summary(
        prepared=prepared,
        confirmed=tuple(confirmed),
        baselines=baselines if baseline_runs else (),
        comparisons=tuple(_comparisons(confirmed, tables, trials, prepared.targets)),
        counts={arm.study: arm.ledger.counts() for arm in arms},
        optimistic=prepared.splits[0].optimistic,
        exhausted={arm.study: told for arm in arms if (told := exhausted_sentence(arm, prepared.spec.trials))},
    )


def _confirmed(
    arm: Arm, runs: dict[str | None, list[LedgerTrial]], trials: Path, prepared: PreparedSweep
) -> list[ConfirmedConfiguration]:
    lines = []
    for trial in arm.ledger.best(max(1, prepared.spec.confirm)):
        source = job_key(arm.study, trial.number)
        own = sorted(runs.get(source, []), key=lambda run: run.attributes["split"])
        finals = [run.attributes["final"] for run in own] or [trial.attributes["final"]]
        tables = _tables(own, trials, PREDICTIONS)
        lines.append(
            ConfirmedConfiguration(
                source=source,
                study=arm.study,
                variant=arm.variant,
                trial=trial,
                runs=tuple(_key(run) for run in own),
                representative=median_run({_key(run): run.attributes["final"]["best_val_srcc"] for run in own}),
                validation=final_figures(finals, "best_val_", prepared.targets),
                test=table_figures(tables, prepared.targets) if tables else None,
                cross=_cross(own, trials, PREDICTIONS, CROSS_PREDICTIONS, prepared),
            )
        )
    return sorted(lines, key=lambda line: -line.validation.metrics["srcc"])


def _baseline(
    name: str, tables: list[pd.DataFrame], runs: list[LedgerTrial], trials: Path, prepared: PreparedSweep
) -> BaselineFigures:
    if tables and len(tables) == len(runs):
        cross = _cross(runs, trials, f"{name}.csv", f"{name}_{CROSS_PREDICTIONS}", prepared)
        return BaselineFigures(name, table_figures(tables, prepared.targets), None, cross)
    for run in runs:
        reasons = read_table(trials / _key(run) / REASONS, ("baseline", "reason")).set_index("baseline")["reason"]
        if name in reasons:
            return BaselineFigures(name, None, str(reasons[name]))
    return BaselineFigures(name, None, "not computed")


def _comparisons(
    confirmed: list[ConfirmedConfiguration],
    tables: dict[str, list[pd.DataFrame]],
    trials: Path,
    targets: tuple[str, ...],
) -> list[PairedComparison]:
    def test_rows(study: str) -> list[pd.DataFrame]:
        line = next((line for line in confirmed if line.study == study), None)
        return rows_of([read_predictions(trials / key / PREDICTIONS) for key in line.runs]) if line else []

    own = test_rows("search")
    others = {"control": test_rows("control"), **{name: rows_of(runs) for name, runs in tables.items()}}
    return [
        PairedComparison(
            name,
            target,
            paired_interval(
                predictions(own, target),
                predictions(other, target),
                [table[target] for table in own],
                [table["prompt_id"] for table in own],
            ),
        )
        for name, other in others.items()
        for target in targets
        if own and len(other) == len(own)
    ]


def _tables(runs: list[LedgerTrial], trials: Path, file: str) -> list[pd.DataFrame]:
    ordered = sorted(runs, key=lambda run: run.attributes["split"])
    paths = [trials / _key(run) / file for run in ordered]
    return [read_predictions(path) for path in paths if path.is_file()]


def _cross(
    runs: list[LedgerTrial], trials: Path, file: str, cross_file: str, prepared: PreparedSweep
) -> Figures | None:
    """Return medians over the runs on a second data set, with validation rows added for the logistic fit."""
    if prepared.cross is None or not runs:
        return None
    pairs = zip(_tables(runs, trials, file), _tables(runs, trials, cross_file), strict=True)
    tables = [pd.concat([*rows_of([own], "validation"), cross]) for own, cross in pairs]
    return table_figures(tables, prepared.cross.targets, CROSS, len(prepared.targets) > 1) if tables else None


def _key(run: LedgerTrial) -> str:
    return job_key("confirm", run.number)


def _configuration(line: ConfirmedConfiguration) -> dict[str, Any]:
    return {
        "trial": line.trial.number,
        "source": line.source,
        "variant": line.variant,
        "params": line.trial.params,
        "val": figures_json(line.validation),
        "test": figures_json(line.test) if line.test else None,
        "cross": figures_json(line.cross) if line.cross else None,
    }


def _baseline_json(line: BaselineFigures) -> dict[str, Any]:
    if line.test is None:
        return {"srcc": None, "plcc": None, "reason": line.reason}
    return {**figures_json(line.test), "cross": figures_json(line.cross) if line.cross else None}
