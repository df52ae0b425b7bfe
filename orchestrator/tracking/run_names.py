"""Names of a sweep's runs and of their metrics in MLflow.

Runs are called as the sweep's folder calls them, a confirm run after its configuration and its split. The validation
metrics of confirm runs have a prefix, so that a list sorted by the search's objective shows trials.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.execution.job import Job
from orchestrator.tracking.spooled_runs import SpoolIndex

SWEEP = "sweep"
"""Key of the run that stands for the whole sweep."""

CONFIRM_PREFIX = "confirm_"
"""Prefix of the validation metrics of confirm runs."""

_VALIDATION = ("val_", "best_val_")


@dataclass(frozen=True)
class RunNames:
    """Names of the runs of one sweep, and of their metrics.

    Attributes:
        earlier: the sweep was begun by a version that used titles such as `trial 3`, which it keeps.
    """

    earlier: bool = False

    @classmethod
    def of(cls, index: SpoolIndex) -> RunNames:
        """Return the names that a sweep uses, given what its spool holds."""
        names = [run.start["name"] for key, run in index.runs.items() if run.start is not None and key != SWEEP]
        return cls(earlier=any(" " in name for name in names))

    def run(self, job: Job) -> str:
        """Return the name of a job's run: `trial-0003`, `trial-0003-split-02` for its confirm run on split 2."""
        if self.earlier:
            return job.title
        if not job.variant:
            return f"baselines-split-{job.split:02d}"
        return f"{job.source}-split-{job.split:02d}" if job.source else job.key

    def metrics(self, job: Job, metrics: Mapping[str, float]) -> dict[str, float]:
        """Return the metrics of a job as they are logged."""
        if self.earlier or job.study != "confirm":
            return dict(metrics)
        return {confirm_name(name) if name.startswith(_VALIDATION) else name: m for name, m in metrics.items()}


def confirm_name(metric: str) -> str:
    """Return the name of a validation metric on a confirm run.

    Example:
        >>> confirm_name("best_val_srcc")
        'confirm_best_val_srcc'
    """
    return f"{CONFIRM_PREFIX}{metric}"


def trained_name(metric: str) -> str:
    """Return the name that the training gives a metric, from the name in MLflow.

    Example:
        >>> trained_name("confirm_val_srcc"), trained_name("test_srcc")
        ('val_srcc', 'test_srcc')
    """
    return metric.removeprefix(CONFIRM_PREFIX)


def validation_of(metrics: Mapping[str, float], metric: str) -> float | None:
    """Return the best validation metric ("srcc" or "plcc") of a confirm run under its name or the earlier one."""
    name = f"best_val_{metric}"
    return metrics.get(confirm_name(name), metrics.get(name))
