"""The recorder: turns a sweep's steps into spooled events, and a thread that carries them to MLflow."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from orchestrator.execution.job import Epoch, Job
from orchestrator.search.outcome import Outcome
from orchestrator.tracking.spool import Event, Spool

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


class Sink(Protocol):
    """Where events go."""

    def send(self, events: list[Event]) -> None:
        """Takes events in order; raises where they did not arrive, and may be given them again."""


class Recorder:
    """Watches a sweep and writes down what MLflow is to be told; never talks to MLflow itself.

    Args:
        spool: where it is written.
        trials: folder of the jobs' checkpoints.
    """

    def __init__(self, spool: Spool, trials: Path) -> None:
        self._spool = spool
        self._trials = trials

    def started(self, job: Job) -> None:
        """Opens the job's run, or opens it again."""
        params = {"variant": job.variant or "baselines", **job.params}
        tags = {
            "study": job.study,
            "split": job.split,
            "seed": job.seed,
            **({"source": job.source} if job.source else {}),
            **({"control_of": job.of} if job.of else {}),
        }
        self.record("start", job.key, name=job.title, params=params, tags=tags)

    def epoch(self, job: Job, epoch: Epoch) -> None:
        """One point on each of the run's curves."""
        metrics = finite(epoch.metrics)
        self.record("metrics", job.key, time_ms=int(epoch.time * 1000), step=epoch.number, metrics=metrics)

    def ended(self, job: Job, outcome: Outcome, final: dict[str, float], error: str | None) -> None:
        """Final figures, checkpoint, status."""
        self.record("metrics", job.key, step=0, metrics=finite(final))
        self.record("tags", job.key, tags={"outcome": str(outcome), **({"error": error} if error else {})})
        folder = self._trials / job.key
        if outcome is Outcome.COMPLETE and folder.is_dir():
            self.record("artifacts", job.key, path=str(folder), into="checkpoint" if job.variant else "baselines")
        self.record("end", job.key, status=STATUS[outcome])

    def noted(self, job: Job, note: str) -> None:
        """What happened on the way; the latest stands."""
        self.record("tags", job.key, tags={"note": note})

    def interrupted(self, job: Job) -> None:
        """Closed as KILLED until the sweep goes on."""
        self.record("tags", job.key, tags={"outcome": "interrupted"})
        self.record("end", job.key, status="KILLED")

    def record(self, kind: Any, run: str, time_ms: int | None = None, **data: Any) -> None:
        """Spools one event."""
        self._spool.append(Event(kind, run, data, **({"time": time_ms} if time_ms else {})))


class Drain:
    """A thread that carries the spool to a sink in batches, and waits, ever longer, while it is away.

    Args:
        spool: what to carry.
        open_sink: makes the sink, in the thread: connecting and importing MLflow take seconds.
        interval: seconds between batches.
    """

    def __init__(self, spool: Spool, open_sink: Callable[[], Sink], interval: float = 1.0) -> None:
        self._spool = spool
        self._open_sink = open_sink
        self._interval = interval
        self.sink: Sink | None = None
        self._finish = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mlflow-drain", daemon=True)
        self.error: str | None = None

    def start(self) -> None:
        """Begins to carry."""
        self._thread.start()

    def close(self, timeout: float) -> int:
        """Carries what is left, for `timeout` seconds at most; gives how many events are still left."""
        self._finish.set()
        if self._thread.ident is not None:
            self._thread.join(timeout)
        return self._spool.left()

    def _run(self) -> None:
        pause = self._interval
        while True:
            last = self._finish.is_set()
            try:
                more = self.carry()
                self.error, pause = None, self._interval
            except Exception as error:  # whatever MLflow raises, the sweep goes on without it
                self.error, more = f"{type(error).__name__}: {error}", True
                logger.warning("MLflow did not take the events: %s", self.error)
                pause = min(2 * pause, 30.0)
            if last and (not more or self.error):
                return
            if not more or self.error:
                self._finish.wait(pause)

    def carry(self) -> bool:
        """Sends one batch; False where nothing was left."""
        events, place = self._spool.read()
        if not events:
            return False
        if self.sink is None:
            self.sink = self._open_sink()
        self.sink.send(events)
        self._spool.mark_sent(place)
        return True


def finite(metrics: Mapping[str, float]) -> dict[str, float]:
    """The metrics that MLflow can draw: NaN and infinity are said by the outcome, not by a point."""
    return {key: value for key, value in metrics.items() if math.isfinite(value)}


def now_ms() -> int:
    """Milliseconds since 1970."""
    return int(time.time() * 1000)
