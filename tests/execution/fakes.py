"""Sweep without Ray for tests: an executor in virtual time, and work that is a formula."""

import heapq
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from optuna.storages import BaseStorage, InMemoryStorage

from orchestrator.execution.controller import NoJob, SweepController
from orchestrator.execution.job import EpochReport, Job
from orchestrator.execution.plan import Arm, Plan
from orchestrator.execution.slots import Slots
from orchestrator.execution.tune_adapter import handle_result
from orchestrator.search.ledger import Ledger
from orchestrator.search.outcome import Outcome
from orchestrator.search.pruners import build_pruner
from orchestrator.search.samplers import build_sampler
from orchestrator.search.space import SearchSpace

SPACE = SearchSpace.model_validate(
    {
        "model": {"widths": {"type": "widths", "min_depth": 1, "max_depth": 2, "low": 8, "high": 32, "default": [16]}},
        "hypernet": {"rank": {"type": "int", "low": 1, "high": 4, "default": 2}},
        "training": {"lr": {"type": "float", "low": 1e-4, "high": 1e-2, "log": True, "default": 1e-3}},
    }
)


class Watched:
    """Callback that records its calls."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def on_job_start(self, job: Job) -> None:
        self.calls.append(("started", job.key))

    def on_epoch(self, job: Job, epoch: EpochReport) -> None:
        self.calls.append(("epoch", job.key, epoch.number))

    def on_job_end(self, job: Job, outcome: Outcome, final: dict[str, float], error: str | None) -> None:
        self.calls.append(("ended", job.key, str(outcome)))

    def on_message(self, job: Job, note: str) -> None:
        self.calls.append(("noted", job.key, note))

    def on_job_interrupted(self, job: Job) -> None:
        self.calls.append(("interrupted", job.key))

    def of(self, what: str) -> list[Any]:
        return [call[1:] if len(call) > 2 else call[1] for call in self.calls if call[0] == what]


@dataclass
class Work:
    """Results of jobs, as a formula.

    Attributes:
        wrong: job key → error and epoch of it; "diverged", "failed", "infeasible", or "alike", which fails with the
            same message as other jobs.
        seconds: duration of an epoch of a job.
        disk: job key → epochs whose checkpoint is on disk; kept from one executor to the next.
        trained: every epoch that was trained, as (key, number).
    """

    wrong: dict[str, tuple[str, int]] = field(default_factory=dict)
    seconds: Callable[[Job], float] = lambda job: 1.0 + 0.1 * job.number
    disk: dict[str, int] = field(default_factory=dict)
    trained: list[tuple[str, int]] = field(default_factory=list)

    def objective(self, job: Job, epoch: int) -> float:
        return (1 - abs(math.log10(job.params["lr"]) + 3) / 4) * (1 - 0.5**epoch)

    def first(self, job: Job) -> dict[str, Any] | None:
        """Return the first message of a worker, the epochs on disk, or None if there are none."""
        done = self.disk.get(job.key, 0)
        return self._message(job, range(1, done + 1)) if done else None

    def next(self, job: Job) -> dict[str, Any]:
        """Train the next epoch and return its message."""
        if not job.variant:
            return {"epochs": [epoch(1, 0.3)], "outcome": "complete", "final": {"ridge_test_srcc": 0.3}}
        number = self.disk.get(job.key, 0) + 1
        what, where = self.wrong.get(job.key, ("", 0))
        if number == where and what in {"failed", "infeasible", "alike"}:
            text = f"Traceback\n{what}" + (f" in {job.key}" if what == "failed" else "")
            kind = "memory" if what == "infeasible" else "error"
            return {"epochs": [], "failure": {"kind": kind, "epoch": number - 1, "text": text}}
        self.disk[job.key] = number
        self.trained.append((job.key, number))
        return self._message(job, [number])

    def _message(self, job: Job, numbers: Any) -> dict[str, Any]:
        what, where = self.wrong.get(job.key, ("", 0))
        epochs = [
            epoch(n, math.nan, diverged=True) if (what, where) == ("diverged", n) else epoch(n, self.objective(job, n))
            for n in numbers
        ]
        message: dict[str, Any] = {"epochs": epochs}
        if epochs[-1]["number"] == job.training["epochs"] or epochs[-1]["diverged"]:
            best = max((e["objective"] for e in epochs if e["objective"] == e["objective"]), default=0.0)
            message |= {"outcome": "complete", "final": {"best_val_srcc": best}}
        return message


class FakeExecutor:
    """Executor that calls a controller as Tune does, in virtual time.

    Args:
        controller: chooses the jobs.
        work: results of the jobs.
        slots: jobs that run in parallel.
        clock: list of one number, the seconds, which the executor increases.
    """

    def __init__(
        self, controller: SweepController, work: Work, slots: int = 2, clock: list[float] | None = None
    ) -> None:
        self.controller, self.work, self.slots = controller, work, slots
        self.clock = clock if clock is not None else [0.0]
        self.most = 0
        self._order = itertools.count()
        self._running: list[tuple[float, int, Job]] = []
        self._new: set[str] = set()

    def run(self, events: float = math.inf) -> bool:
        """Handle a number of messages, then stop before a free slot is filled; return True if no job is left."""
        while events > 0:
            self._fill()
            if not self._running:
                return True
            events -= 1
            self.clock[0], _, job = heapq.heappop(self._running)
            message = (self.work.first(job) if job.key in self._new else None) or self.work.next(job)
            self._new.discard(job.key)
            if handle_result(self.controller, job, {"message": [message]}):
                self._push(job)
        return False

    @property
    def running(self) -> int:
        """Number of jobs that run now."""
        return len(self._running)

    def _fill(self) -> None:
        while len(self._running) < self.slots:
            job = self.controller.next_job()
            if job is NoJob.NOW:
                assert self._running, "no job runs and the controller has none now: the sweep would hang"
                return
            if isinstance(job, NoJob):
                return
            self._new.add(job.key)
            self._push(job)

    def _push(self, job: Job) -> None:
        heapq.heappush(self._running, (self.clock[0] + self.work.seconds(job), next(self._order), job))
        self.most = max(self.most, len(self._running))


def epoch(number: int, objective: float, diverged: bool = False) -> dict[str, Any]:
    metrics = {"val_srcc": objective, "train_loss": 1.0 / number}
    return {
        "number": number,
        "objective": objective,
        "metrics": metrics,
        "seconds": 1.0,
        "time": 1e9 + number,
        "diverged": diverged,
    }


@dataclass
class FakeSweep:
    """Ledgers of a sweep on one storage, opened again for every controller, as in a new process.

    Attributes:
        slots: slots of its controllers; None for no limit.
    """

    plan: Plan
    storage: BaseStorage = field(default_factory=InMemoryStorage)
    control: bool = True
    pruner: str = "none"
    sampler: str = "random"
    slots: Slots | None = None

    def controller(self, *callbacks: Any) -> SweepController:
        self.arms = [self._arm("search", "text_hyper", None, SPACE)]
        if self.control:
            self.arms.append(self._arm("control", "plain_head", "text_hyper", SPACE.without_hypernet()))
        self.confirm = Ledger(self.storage, "confirm", None)
        return SweepController(self.plan, self.arms, self.confirm, callbacks, slots=self.slots)

    def _arm(self, study: Any, variant: str, of: str | None, space: SearchSpace) -> Arm:
        ledger = Ledger(self.storage, study, space)
        ledger.set_sampler_and_pruner(
            build_sampler(self.sampler, len(ledger)), build_pruner(self.pruner, self.plan.epochs)
        )
        return Arm(study, variant, of, space, ledger)

    def assert_done(self) -> None:
        """Assert that every budget is met exactly, no trial is open and every confirm run exists once."""
        for arm in self.arms:
            assert arm.ledger.terminal() == len(arm.ledger.all()) == self.plan.trials
            assert [trial.number for trial in arm.ledger.all()] == list(range(self.plan.trials))
        prefixes = {"search": "trial", "control": "control"}
        sources: list[str | None] = [None] if self.plan.confirm else []
        for arm in self.arms:
            sources += [f"{prefixes[arm.study]}-{t.number:04d}" for t in arm.ledger.best(self.plan.confirm)]
        wanted = {(source, split) for source in sources for split in range(1, self.plan.splits + 1)}
        confirmed = [(t.attributes["source"], t.attributes["split"]) for t in self.confirm.all()]
        assert sorted(confirmed, key=str) == sorted(wanted, key=str)
        assert all(trial.outcome for trial in self.confirm.all())
