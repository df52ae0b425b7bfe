"""The recorder: callbacks of a sweep that write events for MLflow to the spool."""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from orchestrator.execution.job import EpochReport, Job
from orchestrator.search.outcome import Outcome
from orchestrator.tracking.best_so_far import BestSoFar, has_ended
from orchestrator.tracking.event import Event
from orchestrator.tracking.provenance import PROVENANCE
from orchestrator.tracking.run_details import RunDetails
from orchestrator.tracking.run_names import SWEEP, RunNames
from orchestrator.tracking.spool import Spool
from orchestrator.tracking.spooled_runs import SpooledRun, SpoolIndex
from orchestrator.tracking.staged_artifacts import files_to_upload

__all__ = ["STATUS", "SWEEP", "Recorder", "finite_metrics", "now_ms", "upload_if_complete"]

logger = logging.getLogger(__name__)

STATUS = {
    Outcome.COMPLETE: "FINISHED",
    Outcome.PRUNED: "FINISHED",
    Outcome.DIVERGED: "FAILED",
    Outcome.INFEASIBLE: "FAILED",
    Outcome.FAILED: "FAILED",
}

_TAG_CHARACTERS = 4000
"""Characters of a traceback that the tag shows; a longer one is whole in the file `error.txt`."""


def upload_if_complete(job: Job, outcome: Outcome) -> bool:
    """Return whether a trial trained to its end; the default rule for which checkpoints are uploaded."""
    return outcome is Outcome.COMPLETE


class Recorder:
    """Callbacks that write a sweep's events to the spool; they never connect to MLflow.

    No epoch is written twice, also if it is reported again or trained again from an older checkpoint.

    Args:
        spool: the spool that is written to.
        trials: folder with the jobs' checkpoints.
        details: function of a job; returns the description of its run.
        index: what an earlier process wrote to the spool.
        uploads: whether a job's checkpoint is uploaded when it ends.
    """

    def __init__(
        self,
        spool: Spool,
        trials: Path,
        details: Callable[[Job], RunDetails] = lambda job: RunDetails(),
        index: SpoolIndex | None = None,
        uploads: Callable[[Job, Outcome], bool] = upload_if_complete,
    ) -> None:
        self._spool = spool
        self._trials = trials
        self._details = details
        self._index = index or SpoolIndex()
        self._names = RunNames.of(self._index)
        self._best_so_far = BestSoFar(self._index)
        self._uploads = uploads
        self._stopped_by: dict[str, str] = {}

    def note_stop(self, run: str, by: str) -> None:
        """Tag the run with the user and host that stopped it, if it ends as pruned."""
        self._stopped_by[run] = by

    def on_job_start(self, job: Job) -> None:
        """Start the job's run, or set it to running again."""
        params = {"variant": job.variant or "baselines", **job.params}
        details = self._details(job)
        begun = self.spooled(job.key).start is not None
        tags = {
            **details.tags,
            "study": job.study,
            "split": job.split,
            "seed": job.seed,
            **({"source": job.source} if job.source else {}),
            **({"control_of": job.control_of} if job.control_of else {}),
        }
        self.record("start", job.key, name=self._names.run(job), params=params, tags=tags)
        if details.provenance:
            self.log_provenance(job.key, details.provenance)
        if details.dataset and not begun:
            self.record("dataset", job.key, **details.dataset)

    def on_epoch(self, job: Job, epoch: EpochReport, *, resent: bool = False) -> None:
        """Log the epoch's metrics, and the machine as tags."""
        run = self.spooled(job.key)
        if epoch.number not in run.steps:
            metrics, time_ms = self.logged_metrics(job, epoch.metrics), int(epoch.time * 1000)
            self.record("metrics", job.key, time_ms, step=epoch.number, metrics=metrics, **_resent(resent))
            if not epoch.place.items() <= run.tags.items():  # the job moved to another node
                self.record("tags", job.key, tags=epoch.place)

    def on_job_end(
        self, job: Job, outcome: Outcome, final: Mapping[str, float], error: str | None, *, resent: bool = False
    ) -> None:
        """Log the final metrics, the outcome, the checkpoint and the status."""
        run = self.spooled(job.key)
        counted = has_ended(run)
        # Metrics that are logged again after a kill need their original time.
        self.log_final(job.key, self.logged_metrics(job, final), run.last_epoch_time, resent=resent)
        tags: dict[str, Any] = {"outcome": str(outcome)}
        if outcome in {Outcome.PRUNED, Outcome.DIVERGED} and run.steps:
            tags["stopped_at_epoch"] = max(run.steps)
        if outcome is Outcome.PRUNED and job.key in self._stopped_by:
            tags["stopped_by"] = self._stopped_by[job.key]
        if error:
            tags["error"] = error if len(error) <= _TAG_CHARACTERS else f"… {error[-_TAG_CHARACTERS:]}"
            if len(error) > _TAG_CHARACTERS:
                self.record("text", job.key, text=error, into="error.txt")
        self.record("tags", job.key, tags=tags)
        self.upload_checkpoint(job, outcome)
        self.record("end", job.key, run.last_epoch_time if resent else None, status=STATUS[outcome])
        self._log_best_so_far(job, final, resent, counted)

    def _log_best_so_far(self, job: Job, final: Mapping[str, float], resent: bool, counted: bool) -> None:
        """Log the next point of the sweep's best-so-far curve; after a kill, the curve may lack one.

        A trial that is counted already may have lost its final metrics in a damaged spool.
        """
        step, point = self._best_so_far.add(job, finite_metrics(final).get("best_val_srcc"), counted)
        if point and not resent and not counted:
            self.record("metrics", SWEEP, step=step, metrics=point)

    def logged_metrics(self, job: Job, metrics: Mapping[str, float]) -> dict[str, float]:
        """Return the metrics of a job that MLflow can draw, under their names there."""
        return self._names.metrics(job, finite_metrics(metrics))

    def log_provenance(self, run: str, content: Mapping[str, Any]) -> None:
        """Log the versions, hashes and settings that a run came from as its file `provenance.json`."""
        self.record("text", run, text=json.dumps(content, indent=1) + "\n", into=PROVENANCE)

    def upload_checkpoint(self, job: Job, outcome: Outcome) -> None:
        """Upload the files of an ended job's folder, if its checkpoint is to be uploaded."""
        folder = self._trials / job.key
        if self._uploads(job, outcome) and folder.is_dir():
            self.upload(job.key, files_to_upload(folder), "checkpoint" if job.variant else "baselines")

    def on_job_interrupted(self, job: Job) -> None:
        """End the run as KILLED until the sweep is resumed."""
        self.record("tags", job.key, tags={"outcome": "interrupted"})
        self.record("end", job.key, status="KILLED")

    def on_message(self, job: Job, note: str) -> None:
        """Add a line to the run's tag `notes`."""
        before = str(self.spooled(job.key).tags.get("notes", ""))
        if note not in before.splitlines():
            self.record("tags", job.key, tags={"notes": f"{before}\n{note}" if before else note})

    def log_final(
        self, run: str, final: Mapping[str, float], time_ms: int | None = None, *, resent: bool = False
    ) -> None:
        """Log the final metrics of a run, unless the spool has them."""
        metrics = finite_metrics(final)
        if not metrics.items() <= self.spooled(run).final.items():
            self.record("metrics", run, time_ms, step=0, metrics=metrics, **_resent(resent))

    def upload(self, run: str, paths: list[Path], into: str) -> None:
        """Upload files to the run's folder `into`; they are staged until MLflow is available."""
        if not paths:
            return
        try:
            self.record("artifacts", run, kept=self._spool.stage(run, paths), into=into)
        except OSError as error:
            logger.warning("the files of %s cannot be staged for MLflow: %s", run, error)

    def log_model(self, run: str, folder: Path, **described: Any) -> None:
        """Log a saved scorer as the run's model with its final metrics; it is staged until MLflow is available."""
        try:
            location: dict[str, Any] = {"kept": self._spool.stage(run, [folder]), "path": folder.name}
        except OSError as error:
            logger.warning("the model of %s cannot be staged for MLflow: %s", run, error)
            location = {"path": str(folder)}
        logged = self.spooled(run)
        metrics: dict[str, Any] = {"metrics": logged.final, "metrics_time": logged.final_time} if logged.final else {}
        self.record("model", run, **location, **metrics, **described)

    def record(self, kind: Any, run: str, time_ms: int | None = None, **data: Any) -> None:
        """Append one event to the spool."""
        event = Event(kind, run, data, **({"time": time_ms} if time_ms else {}))
        self.spooled(run).add(event)
        self._spool.append(event)

    def spooled(self, run: str) -> SpooledRun:
        """Return what the spool holds of a run."""
        return self._index.runs.setdefault(run, SpooledRun())


def _resent(resent: bool) -> dict[str, Any]:
    """Return the mark of an event that MLflow may have under another time."""
    return {"retold": True} if resent else {}


def finite_metrics(metrics: Mapping[str, float]) -> dict[str, float]:
    """Return the finite metrics, which MLflow can draw; the outcome reports NaN and infinity."""
    return {key: value for key, value in metrics.items() if math.isfinite(value)}


def now_ms() -> int:
    """Return the time in milliseconds since 1970."""
    return int(time.time() * 1000)
