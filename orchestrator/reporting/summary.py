"""What a sweep found, computed from its ledgers and the predictions on disk."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import pandas as pd

from orchestrator.execution.agreement import Agreement, agreement, mean_agreement
from orchestrator.execution.baselines_job import REASONS
from orchestrator.execution.desk import Arm
from orchestrator.execution.representative import representative
from orchestrator.execution.training_job import PREDICTIONS
from orchestrator.search.ledger import Ledger, LedgerTrial
from orchestrator.search.outcome import Outcome
from orchestrator.training.intervals import Interval, median_interval, paired_interval

if TYPE_CHECKING:
    from orchestrator.preparation import Prepared

HEADLINES = ("srcc", "plcc", "plcc_fitted", "srcc_within_generator", "srcc_within_prompt")
"""The test figures that a sweep's run in MLflow shows."""

BASELINES = {
    "ridge": "ridge regression on the same features",
    "generator_mean": "mean score of the generator (sees no pixel)",
    "prompt_mean": "mean score of the prompt (sees no pixel)",
    "generator_prompt_mean": "generator and prompt means (sees no pixel)",
}


@dataclass(frozen=True)
class Figures:
    """Median figures over runs, means over targets where there are several.

    Attributes:
        metrics: name → median over the runs.
        intervals: srcc and plcc → bootstrap interval of that median, resampling prompts.
            Several targets have one each, their mean has none.
        targets: target → its own figures, where there are several.
        reasons: metric → why it is NaN in all runs, where it is.
    """

    metrics: dict[str, float]
    intervals: dict[str, Interval] = field(default_factory=dict)
    targets: dict[str, Figures] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Confirmed:
    """A configuration, as its search and its confirm runs saw it.

    Attributes:
        source: key of the searched trial.
        study: "search" for the variant's, "control" for the control's.
        variant: what was trained.
        trial: the searched trial.
        runs: keys of its confirm runs, in the order of their splits.
        representative: the run with the median validation score; its model stands for the configuration.
        validation: medians over the confirm runs' best epochs; the search's own where nothing was confirmed.
        test: None where nothing was confirmed.
    """

    source: str
    study: str
    variant: str
    trial: LedgerTrial
    runs: tuple[str, ...]
    representative: str | None
    validation: Figures
    test: Figures | None


@dataclass(frozen=True)
class BaselineFigures:
    """A baseline over the same splits: its test figures, or why there are none."""

    name: str
    test: Figures | None
    reason: str | None


@dataclass(frozen=True)
class Comparison:
    """The best configuration against something on the same splits: median paired difference in test SRCC."""

    against: str
    target: str
    difference: Interval


@dataclass(frozen=True)
class Summary:
    """A sweep's findings. `confirmed` holds the variant's configurations and then the control's, best first."""

    prepared: Prepared
    confirmed: tuple[Confirmed, ...]
    baselines: tuple[BaselineFigures, ...]
    comparisons: tuple[Comparison, ...]
    counts: dict[str, dict[str, int]]
    optimistic: bool

    def best(self, study: str) -> Confirmed | None:
        """The configuration of a study with the highest validation median: test plays no part in the choice."""
        return next((line for line in self.confirmed if line.study == study), None)

    def headline_metrics(self) -> dict[str, float]:
        """What the sweep's run in MLflow shows beside those of others."""
        metrics: dict[str, float] = {}
        if best := self.best("search"):
            metrics |= {f"val_{name}": best.validation.metrics[name] for name in ("srcc", "plcc")}
            if best.test:
                metrics |= {f"test_{name}": best.test.metrics[name] for name in HEADLINES}
        if (control := self.best("control")) and control.test:
            metrics["control_test_srcc"] = control.test.metrics["srcc"]
        metrics |= {f"{b.name}_test_srcc": b.test.metrics["srcc"] for b in self.baselines if b.test}
        metrics |= {f"trials_{outcome}": count for outcome, count in self.counts["search"].items()}
        return {key: value for key, value in metrics.items() if math.isfinite(value)}

    def as_result(self) -> dict[str, Any]:
        """The object that `--json` prints and `result.json` holds; NaN is null."""
        spec = self.prepared.spec
        best, control = self.best("search"), self.best("control")
        return {
            "sweep_id": spec.id,
            "name": spec.name,
            "variant": spec.variant,
            "dataset": self.prepared.dataset.name,
            "targets": list(self.prepared.targets),
            "protocol": spec.protocol,
            "optimistic": self.optimistic,
            "best": _configuration(best) if best else None,
            "control": _configuration(control) if control else None,
            "confirmed": [_configuration(line, brief=True) for line in self.confirmed],
            "baselines": {
                line.name: _figures(line.test) if line.test else {"srcc": None, "plcc": None, "reason": line.reason}
                for line in self.baselines
            },
            "comparisons": [
                {
                    "against": comparison.against,
                    "target": comparison.target,
                    "srcc_difference": _number(comparison.difference.estimate),
                    "interval": _bounds(comparison.difference),
                }
                for comparison in self.comparisons
            ],
            "counts": self.counts["search"],
            "control_counts": self.counts.get("control"),
        }


def summarise(prepared: Prepared, arms: Sequence[Arm], confirm: Ledger, trials: Path) -> Summary:
    """Sums up a sweep whose jobs have all ended."""
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
    )


def _confirmed(
    arm: Arm, runs: dict[str | None, list[LedgerTrial]], trials: Path, prepared: Prepared
) -> list[Confirmed]:
    title = {"search": "trial", "control": "control"}[arm.study]
    lines = []
    for trial in arm.ledger.best(max(1, prepared.spec.confirm)):
        source = f"{title}-{trial.number:04d}"
        own = sorted(runs.get(source, []), key=lambda run: run.attributes["split"])
        finals = [run.attributes["final"] for run in own] or [trial.attributes["final"]]
        tables = _tables(own, trials, PREDICTIONS)
        lines.append(
            Confirmed(
                source=source,
                study=arm.study,
                variant=arm.variant,
                trial=trial,
                runs=tuple(_key(run) for run in own),
                representative=representative({_key(run): run.attributes["final"]["best_val_srcc"] for run in own}),
                validation=_medians(finals, "best_val_", prepared.targets),
                test=_test_figures(tables, prepared.targets) if tables else None,
            )
        )
    return sorted(lines, key=lambda line: -line.validation.metrics["srcc"])


def _medians(finals: list[dict[str, float]], prefix: str, targets: tuple[str, ...]) -> Figures:
    def medians(suffix: str) -> dict[str, float]:
        names = ("srcc", "plcc", "krcc", "rmse")
        return {name: _median([final.get(f"{prefix}{name}{suffix}", math.nan) for final in finals]) for name in names}

    each = {target: Figures(medians(f"_{target}")) for target in targets} if len(targets) > 1 else {}
    return Figures(metrics=medians(""), targets=each)


def _test_figures(tables: list[pd.DataFrame], targets: tuple[str, ...]) -> Figures:
    """Medians over the runs' tables; with intervals for one target, and for each of several."""
    runs = [{target: agreement(table, target) for target in targets} for table in tables]
    each = {target: _target_figures(tables, [run[target] for run in runs], target) for target in targets}
    return _medians_of([mean_agreement(run) for run in runs], targets=each) if len(targets) > 1 else each[targets[0]]


def _target_figures(tables: list[pd.DataFrame], runs: list[Agreement], target: str) -> Figures:
    tests = _test_parts(tables)
    truth, prompts = [table[target] for table in tests], [table["prompt_id"] for table in tests]
    predicted = _predicted(tests, target)
    return _medians_of(
        runs, intervals={metric: median_interval(predicted, truth, prompts, metric) for metric in ("srcc", "plcc")}
    )


def _medians_of(runs: list[Agreement], **more: Any) -> Figures:
    metrics = {name: _median([run.metrics[name] for run in runs]) for name in runs[0].metrics}
    reasons = {name: runs[0].reasons[name] for name, value in metrics.items() if not math.isfinite(value)}
    return Figures(metrics, reasons=reasons, **more)


def _baseline(
    name: str, tables: list[pd.DataFrame], runs: list[LedgerTrial], trials: Path, prepared: Prepared
) -> BaselineFigures:
    if tables and len(tables) == len(runs):
        return BaselineFigures(name, _test_figures(tables, prepared.targets), None)
    for run in runs:
        reasons = pd.read_csv(trials / _key(run) / REASONS, index_col="baseline")["reason"]
        if name in reasons:
            return BaselineFigures(name, None, str(reasons[name]))
    return BaselineFigures(name, None, "not computed")


def _comparisons(
    confirmed: list[Confirmed], tables: dict[str, list[pd.DataFrame]], trials: Path, targets: tuple[str, ...]
) -> list[Comparison]:
    def of(study: str) -> list[pd.DataFrame]:
        line = next((line for line in confirmed if line.study == study), None)
        return _test_parts([pd.read_csv(trials / key / PREDICTIONS) for key in line.runs]) if line else []

    own = of("search")
    others = {"control": of("control"), **{name: _test_parts(found) for name, found in tables.items()}}
    return [
        Comparison(
            name,
            target,
            paired_interval(
                _predicted(own, target),
                _predicted(found, target),
                [table[target] for table in own],
                [table["prompt_id"] for table in own],
            ),
        )
        for name, found in others.items()
        for target in targets
        if own and len(found) == len(own)
    ]


def _tables(runs: list[LedgerTrial], trials: Path, file: str) -> list[pd.DataFrame]:
    ordered = sorted(runs, key=lambda run: run.attributes["split"])
    paths = [trials / _key(run) / file for run in ordered]
    return [pd.read_csv(path) for path in paths if path.is_file()]


def _test_parts(tables: list[pd.DataFrame]) -> list[pd.DataFrame]:
    return [table[table["part"] == "test"] for table in tables]


def _predicted(tables: list[pd.DataFrame], target: str) -> list[pd.Series[float]]:
    return [table[f"predicted_{target}"] for table in tables]


def _key(run: LedgerTrial) -> str:
    return f"confirm-{run.number:04d}"


def _median(values: list[float]) -> float:
    finite = [value for value in values if math.isfinite(value)]
    return median(finite) if finite else math.nan


def _configuration(line: Confirmed, brief: bool = False) -> dict[str, Any]:
    found = {
        "trial": line.trial.number,
        "source": line.source,
        "params": line.trial.params,
        "val": _figures(line.validation),
        "test": _figures(line.test) if line.test else None,
    }
    return found if brief else {**found, "run": line.representative}


def _figures(figures: Figures) -> dict[str, Any]:
    found: dict[str, Any] = {name: _number(value) for name, value in figures.metrics.items()}
    if "srcc" in figures.intervals:
        found["interval"] = _bounds(figures.intervals["srcc"])
        found["plcc_interval"] = _bounds(figures.intervals["plcc"])
    if figures.reasons:
        found["reasons"] = figures.reasons
    if figures.targets:
        found["targets"] = {target: _figures(own) for target, own in figures.targets.items()}
    return found


def _bounds(interval: Interval) -> list[float | None]:
    return [_number(interval.low), _number(interval.high)]


def _number(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None
