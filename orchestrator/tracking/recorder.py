"""The recorder: turns a sweep's steps into spooled events."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from orchestrator.execution.job import EpochReport, Job
from orchestrator.search.outcome import Outcome
from orchestrator.tracking.event import Event
from orchestrator.tracking.spool import Spool
from orchestrator.tracking.spool_index import SpooledRun, SpoolIndex
from orchestrator.tracking.staged_artifacts import worth_uploading

logger = logging.getLogger(__name__)

SWEEP = "sweep"
"""Key of the run that stands for the whole sweep."""

STATUS = {
    Outcome.COMPLETE: "FINISHED",
    Outcome.PRUNED: "FINISHED",
    Outcome.DIVERGED: "FAILED",
    Outcome.INFEASIBLE: "FAILED",
    Outcome.FAILED: "FAILED",
}

_TAG_CHARACTERS = 4000
"""What of a traceback is shown as a tag; the whole of a longer one is the file `error.txt`."""


def keep_completed(job: Job, outcome: Outcome) -> bool:
    """The rule where none is given: checkpoints of trials that trained to their end are uploaded."""
    return outcome is Outcome.COMPLETE


class Recorder:
    """Watches a sweep and writes down what MLflow is to be told; never talks to MLflow itself.

    No epoch is written twice: one that is told again, or trained again from an older checkpoint, has its point.

    Args:
        spool: where it is written.
        trials: folder of the jobs' checkpoints.
        about: tags of a job's run beside those that say what it is in the sweep.
        told: what an earlier process has written there.
        keeps: whether a job's checkpoint is uploaded when it ends.
    """

    def __init__(
        self,
        spool: Spool,
        trials: Path,
        about: Callable[[Job], Mapping[str, Any]] = lambda job: {},
        told: SpoolIndex | None = None,
        keeps: Callable[[Job, Outcome], bool] = keep_completed,
    ) -> None:
        self._spool = spool
        self._trials = trials
        self._about = about
        self._told = told or SpoolIndex()
        self._keeps = keeps

    def on_job_start(self, job: Job) -> None:
        """Opens the job's run, or opens it again."""
        params = {"variant": job.variant or "baselines", **job.params}
        tags = {
            **self._about(job),
            "study": job.study,
            "split": job.split,
            "seed": job.seed,
            **({"source": job.source} if job.source else {}),
            **({"control_of": job.control_of} if job.control_of else {}),
        }
        self.record("start", job.key, name=job.title, params=params, tags=tags)

    def on_epoch(self, job: Job, epoch: EpochReport, **more: Any) -> None:
        """One point on each of the run's curves, and where it was trained."""
        if epoch.number not in self.told(job.key).steps:
            metrics = finite_metrics(epoch.metrics)
            self.record("metrics", job.key, int(epoch.time * 1000), step=epoch.number, metrics=metrics, **more)
            if not epoch.place.items() <= self.told(job.key).tags.items():  # began elsewhere than the driver runs
                self.record("tags", job.key, tags=epoch.place)

    def on_job_end(
        self, job: Job, outcome: Outcome, final: Mapping[str, float], error: str | None, **more: Any
    ) -> None:
        """Final figures, outcome, checkpoint, status."""
        told = self.told(job.key)
        # Told again after a kill they have to have the time they had.
        self.figures(job.key, final, told.last_epoch_time, **more)
        tags: dict[str, Any] = {"outcome": str(outcome)}
        if outcome in {Outcome.PRUNED, Outcome.DIVERGED} and told.steps:
            tags["stopped_at_epoch"] = max(told.steps)
        if error:
            tags["error"] = error if len(error) <= _TAG_CHARACTERS else f"… {error[-_TAG_CHARACTERS:]}"
            if len(error) > _TAG_CHARACTERS:
                self.record("text", job.key, text=error, into="error.txt")
        self.record("tags", job.key, tags=tags)
        self.files(job, outcome)
        self.record("end", job.key, told.last_epoch_time if more else None, status=STATUS[outcome])

    def files(self, job: Job, outcome: Outcome) -> None:
        """What of an ended job's folder is worth it; again where it came late."""
        folder = self._trials / job.key
        if self._keeps(job, outcome) and folder.is_dir():
            self.upload(job.key, worth_uploading(folder), "checkpoint" if job.variant else "baselines")

    def on_job_interrupted(self, job: Job) -> None:
        """Closed as KILLED until the sweep goes on."""
        self.record("tags", job.key, tags={"outcome": "interrupted"})
        self.record("end", job.key, status="KILLED")

    def on_message(self, job: Job, note: str) -> None:
        """Adds a line to the run's tag `notes`."""
        before = str(self.told(job.key).tags.get("notes", ""))
        if note not in before.splitlines():
            self.record("tags", job.key, tags={"notes": f"{before}\n{note}" if before else note})

    def figures(self, run: str, final: Mapping[str, float], time_ms: int | None = None, **more: Any) -> None:
        """Final figures of a run; those that were told before are not told again."""
        figures = finite_metrics(final)
        if not figures.items() <= self.told(run).final.items():
            self.record("metrics", run, time_ms, step=0, metrics=figures, **more)

    def upload(self, run: str, paths: list[Path], into: str) -> None:
        """Files for the run's folder `into`, kept for as long as MLflow is away."""
        if not paths:
            return
        try:
            self.record("artifacts", run, kept=self._spool.stage(run, paths), into=into)
        except OSError as error:
            logger.warning("the files of %s are not kept for MLflow: %s", run, error)

    def model(self, run: str, folder: Path, **described: Any) -> None:
        """A saved scorer as the run's model, kept for as long as MLflow is away."""
        try:
            where: dict[str, Any] = {"kept": self._spool.stage(run, [folder]), "path": folder.name}
        except OSError as error:
            logger.warning("the model of %s is not kept for MLflow: %s", run, error)
            where = {"path": str(folder)}
        self.record("model", run, **where, **described)

    def record(self, kind: Any, run: str, time_ms: int | None = None, **data: Any) -> None:
        """Spools one event."""
        event = Event(kind, run, data, **({"time": time_ms} if time_ms else {}))
        self.told(run).take(event)
        self._spool.append(event)

    def told(self, run: str) -> SpooledRun:
        """What was told of a run until now."""
        return self._told.runs.setdefault(run, SpooledRun())


def finite_metrics(metrics: Mapping[str, float]) -> dict[str, float]:
    """The metrics that MLflow can draw: NaN and infinity are said by the outcome, not by a point."""
    return {key: value for key, value in metrics.items() if math.isfinite(value)}


def now_ms() -> int:
    """Milliseconds since 1970."""
    return int(time.time() * 1000)
