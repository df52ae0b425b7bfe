"""Simulation of a sweep without Ray: Tune on a virtual clock, and trials that are formulas.

The searcher, the scheduler, the controller and all behind them are the project's own, called in Tune's order.
Only the workers are simulated.
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ray.tune.schedulers import TrialScheduler
from ray.tune.search import Searcher

from orchestrator.execution.failures import FailureKind
from orchestrator.execution.job import Job
from orchestrator.execution.tune_adapter import ControllerScheduler, ControllerSearcher

DEATH = "death"
WRONG = {DEATH: 0.02, "error": 0.01, "diverged": 0.01, "memory": 0.005}
"""Faults of trials, and the share of trials that each befalls."""


class Play:
    """Simulated trials: objectives and durations, the same for the same seed and key.

    Args:
        epochs: of a training.
        seconds: median of an epoch.
        seed: of everything.
        wrong: faults, and the share of trials that each befalls.

    Attributes:
        disk: epochs whose checkpoint is on disk, by key.
        outcomes: outcome of a trial as its worker reported it, by key.
    """

    def __init__(
        self, epochs: int, seconds: float = 10.0, seed: int = 0, wrong: Mapping[str, float] | None = None
    ) -> None:
        self._epochs, self._median, self._seed, self._wrong = epochs, seconds, seed, wrong or WRONG
        self.disk: dict[str, int] = {}
        self.died: set[str] = set()
        self.outcomes: dict[str, str] = {}

    def seconds(self, job: Job) -> float:
        """Return the duration of the next epoch: log-normal between trials and, less so, within one."""
        pace = random.Random(f"pace {self._seed} {job.key}").lognormvariate(math.log(self._median), 0.5)
        return pace * random.Random(f"{self._seed} {job.key} {self.disk.get(job.key, 0)}").lognormvariate(0.0, 0.2)

    def wrong(self, job: Job) -> tuple[str, int]:
        """Return a trial's fault and its epoch."""
        luck = random.Random(f"luck {self._seed} {job.key}")
        draw, at = luck.random(), luck.randint(1, self._epochs)
        for what, share in self._wrong.items():
            if draw < share:
                return what, at
            draw -= share
        return "", 0

    def objective(self, job: Job, epoch: int) -> float:
        """Return an objective that is best near the middle of every range, and rises from epoch to epoch."""
        params = job.params
        lr = 1 - abs(math.log10(params["lr"]) + 3) / 2 if "lr" in params else 0.5
        dropout = 1 - abs(params.get("dropout", 0.3) - 0.3)
        rank = 1 - abs(params.get("rank", 4) - 4) / 8
        noise = random.Random(f"{self._seed} {job.key} {epoch} noise").gauss(0, 0.01)
        return (0.5 * lr + 0.3 * dropout + 0.2 * rank) * (1 - 0.6**epoch) + noise

    def step(self, job: Job, fresh: bool) -> dict[str, Any] | None:
        """Return the worker's next message; None if its process died. `fresh`: it has just started."""
        done = self.disk.get(job.key, 0)
        what, where = self.wrong(job)
        told = [self._epoch(job, n) for n in range(1, done + 1)] if fresh else []
        if where == done + 1 and what == DEATH and job.key not in self.died:
            self.died.add(job.key)
            return None
        if where == done + 1 and what in {"error", "memory"}:
            self.outcomes[job.key] = "failed" if what == "error" else "infeasible"
            kind = FailureKind.ERROR if what == "error" else FailureKind.MEMORY
            return {"epochs": told, "failure": {"kind": kind, "epoch": done, "text": f"{what} of {job.key}"}}
        self.disk[job.key] = done + 1
        told.append(self._epoch(job, done + 1))
        message: dict[str, Any] = {"epochs": told}
        if told[-1]["diverged"]:
            self.outcomes[job.key] = "diverged"
        elif done + 1 == job.training["epochs"]:
            best = max(epoch["objective"] for epoch in told)
            message |= {"outcome": "complete", "final": {"best_val_srcc": best, "val_plcc": best}}
            self.outcomes[job.key] = "complete"
        return message

    def _epoch(self, job: Job, number: int) -> dict[str, Any]:
        diverged = self.wrong(job) == ("diverged", number)
        value = math.nan if diverged else self.objective(job, number)
        names = ("val_srcc", "val_plcc", "val_krcc", "val_rmse", "train_loss", "lr")
        metrics = dict.fromkeys(names, value)
        return {
            "number": number,
            "objective": value,
            "metrics": metrics,
            "seconds": self._median,
            "time": 1.8e9 + 10 * number,
            "diverged": diverged,
        }


@dataclass
class PlayedTrial:
    """A Tune trial as far as the hooks look at it."""

    trial_id: str
    config: dict[str, Any]
    job: Job
    fresh: bool = True

    def get_pickled_error(self) -> None:
        return None

    def get_error(self) -> str:
        return "The actor died unexpectedly before finishing this task."


@dataclass
class Occupancy:
    """Seconds of the virtual clock.

    Attributes:
        slots: trials side by side.
        busy: summed over the slots.
        end: when the last trial ended.
        dry: when the searcher first had no job for a free slot; what follows is the tail that every sweep has.
        busy_before_dry: of `busy`, before that.
    """

    slots: int
    busy: float = 0.0
    end: float = 0.0
    dry: float | None = None
    busy_before_dry: float = 0.0

    def share(self) -> float:
        """Return the busy share of all slots' time."""
        return self.busy / max(self.slots * self.end, 1e-9)

    def share_before_dry(self) -> float:
        """Return the busy share of the slots' time while there were jobs for all."""
        return self.busy_before_dry / max(self.slots * (self.end if self.dry is None else self.dry), 1e-9)


@dataclass
class SimulatedTune:
    """Call the hooks as Tune does, in virtual time.

    Attributes:
        searcher, scheduler: the project's.
        play: the simulated trials.
        slots: trials at the same time.
        cost: real seconds so far. Its growth during the hooks also moves the virtual clock, since Tune's driver
            does one thing at a time; a constant makes the driver free.
        after: called after every result.
    """

    searcher: ControllerSearcher
    scheduler: ControllerScheduler
    play: Play
    slots: int
    cost: Callable[[], float] = lambda: 0.0
    after: Callable[[], None] = lambda: None
    now: float = 0.0
    results: int = 0
    counts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.occupancy = Occupancy(self.slots)
        self._ids = itertools.count()
        self._running: list[tuple[float, int, PlayedTrial, float]] = []
        self._pending: deque[PlayedTrial] = deque()
        self._finished = False

    def run(self) -> None:
        """Run until the searcher is finished and nothing runs."""
        while True:
            began = self.cost()
            self._fill()
            self.now += self.cost() - began
            if not self._running:
                return
            due, _, trial, seconds = heapq.heappop(self._running)
            self.now = max(self.now, due)
            self._note_busy(due, seconds)
            began = self.cost()
            goes_on = self._process(trial)
            self.now += self.cost() - began
            self.results += 1
            self.occupancy.end = self.now
            if goes_on:
                self._push(trial)
            self.after()

    def _fill(self) -> None:
        """Start waiting trials, and ask for as many ahead as `run_jobs` makes Tune ask."""
        ahead = max(1, self.slots // 4)
        while not self._finished:
            self._start_waiting()
            if len(self._pending) >= ahead:
                return
            trial_id = f"{next(self._ids):08d}"
            config = self.searcher.suggest(trial_id)
            if not isinstance(config, dict):
                self._finished = config == Searcher.FINISHED
                break
            self._pending.append(PlayedTrial(trial_id, config, Job.from_config(config)))
        self._start_waiting()
        if len(self._running) < self.slots and self.occupancy.dry is None:
            self.occupancy.dry = self.now

    def _start_waiting(self) -> None:
        while self._pending and len(self._running) < self.slots:
            self._push(self._pending.popleft())

    def _push(self, trial: PlayedTrial) -> None:
        seconds = self.play.seconds(trial.job)
        heapq.heappush(self._running, (self.now + seconds, next(self._ids), trial, seconds))

    def _note_busy(self, end: float, seconds: float) -> None:
        self.occupancy.busy += seconds
        dry = self.occupancy.dry
        self.occupancy.busy_before_dry += seconds if dry is None else max(0.0, seconds - max(0.0, end - dry))

    def _process(self, trial: PlayedTrial) -> bool:
        """Process one message of a worker in Tune's order; return whether the trial continues."""
        message = self.play.step(trial.job, trial.fresh)
        trial.fresh = False
        if message is None:
            self.counts["deaths"] += 1
            self.scheduler.on_trial_error(None, trial)
            self.searcher.on_trial_complete(trial.trial_id, error=True)
            return False
        result = {"message": [message], "done": "outcome" in message or "failure" in message}
        if result["done"]:
            self.scheduler.on_trial_complete(None, trial, result)
            self.searcher.on_trial_complete(trial.trial_id, result)
            return False
        decision = self.scheduler.on_trial_result(None, trial, result)
        self.searcher.on_trial_result(trial.trial_id, result)
        if decision == TrialScheduler.STOP:
            self.counts["stopped"] += 1
            self.searcher.on_trial_complete(trial.trial_id, result)
            return False
        return True
