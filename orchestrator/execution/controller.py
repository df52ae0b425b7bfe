"""Controller of a sweep: chooses the next job, handles results, updates the ledger and calls the callbacks.

It holds all the logic of a sweep that does not depend on Ray. Tune's searcher and scheduler only pass messages to it,
so tests run it under a simulated executor in virtual time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from enum import Enum, auto

from orchestrator.core.errors import LedgerUnavailable
from orchestrator.execution.callback_interface import SweepCallback
from orchestrator.execution.confirm_queue import ConfirmQueue
from orchestrator.execution.driver_calls import DriverCalls
from orchestrator.execution.failures import Failure, FailureKind, outcome_of
from orchestrator.execution.job import KEY_PREFIX, EpochReport, Job
from orchestrator.execution.plan import Arm, Plan, confirm_job, searched_job
from orchestrator.execution.repeated_failure import repeated_failure
from orchestrator.execution.retry_policy import RetryDecision
from orchestrator.execution.slots import Slots
from orchestrator.search.ledger import Ledger
from orchestrator.search.ledger_trial import LedgerTrial, best_epoch
from orchestrator.search.outcome import Outcome
from orchestrator.search.unique_configurations import NoConfigurationLeft


class NoJob(Enum):
    """Reason for which there is no next job."""

    NOW = auto()
    """Every slot is taken, or running jobs have to end first."""
    EVER = auto()
    """The sweep has started its last job, or stops."""


class SweepController:
    """Controller of one sweep. Jobs start in this order: unfinished ones, the arms' trials in turn, confirm runs.

    Args:
        plan: budgets of the sweep.
        arms: searches; trials of each start in turn.
        confirm: ledger of confirm runs and baselines.
        callbacks: called at every step, in this order.
        stopping: no job starts once this event is set, by the controller or by a signal.
        slots: limit on the number of jobs; without it, the executor alone limits them.

    Attributes:
        stopped_because: sentence that says why the controller itself set `stopping`; None if it did not.
        excluded_nodes: ids of the nodes that the sweep excludes.
        calls: calls of other threads, which the driver's thread runs before each of its decisions.
        suspending: whether no job starts and running ones are interrupted, so that the executor ends its run for now.
        mark_running: called with a job that has got a worker, which only the progress needs to know.
    """

    def __init__(
        self,
        plan: Plan,
        arms: Sequence[Arm],
        confirm: Ledger,
        callbacks: Iterable[SweepCallback] = (),
        stopping: threading.Event | None = None,
        slots: Slots | None = None,
    ) -> None:
        self.plan = plan
        self.slots = slots or Slots.unlimited()
        self.stopping = stopping or threading.Event()
        self._arms = {arm.study: arm for arm in arms}
        self._confirm = confirm
        self._callbacks = list(callbacks)
        self.stopped_because: str | None = None
        self.excluded_nodes: set[str] = set()
        self.calls = DriverCalls()
        self.suspending = False
        self._stopped_by: dict[str, str] = {}
        self.mark_running: Callable[[Job], None] = lambda job: None
        self._live: dict[str, Job] = {}
        self._hung: dict[str, str] = {}
        self._queue = ConfirmQueue(plan, arms, confirm, self._may_ask)
        self._unfinished = [self._arm_job(arm, trial) for arm in arms for trial in arm.ledger.resume_unfinished()]
        self._unfinished += [self._confirm_job(trial) for trial in confirm.resume_unfinished()]
        self._queue.enqueue_due()

    def add_callbacks(self, callbacks: Iterable[SweepCallback]) -> None:
        """Add callbacks after those that there are; call it before any job starts."""
        self._callbacks += callbacks

    # Starting jobs

    def next_job(self) -> Job | NoJob:
        """Start the next job and return it, or the reason for which there is none."""
        self.calls.run_pending()
        self._end_stopped_trials()
        if self.stopping.is_set() or self.suspending:
            return NoJob.EVER
        if len(self._live) >= self.slots.job_limit:
            return NoJob.NOW
        job = self._unfinished.pop(0) if self._unfinished else self._new_job()
        if job is None:
            return NoJob.NOW if self._live else NoJob.EVER
        self._live[job.key] = job
        for callback in self._callbacks:
            callback.on_job_start(job)
        return job

    def gives_way(self) -> bool:
        """Return whether no job starts because other sweeps have a right to the rest of the cluster."""
        share = self.slots.share
        return share is not None and len(self._live) >= share

    def _new_job(self) -> Job | None:
        while open_arms := [arm for arm in self._arms.values() if self._may_ask(arm)]:
            arm = min(open_arms, key=lambda arm: arm.ledger.asked())
            with suppress(NoConfigurationLeft):  # the arm may not ask again
                return self._arm_job(arm, arm.ledger.ask())
        self._queue.enqueue_due()
        if self._confirm.waiting() and not self._queue.may_change():
            return self._confirm_job(self._confirm.ask())
        return None

    def _may_ask(self, arm: Arm) -> bool:
        return arm.ledger.asked() < self.plan.trials and not self.is_overdue() and not arm.ledger.exhausted()

    def is_overdue(self) -> bool:
        """Return whether the time limit has passed; time for which the sweep was paused does not count."""
        return time.time() >= self.plan.deadline + self.slots.paused_seconds()

    def _arm_job(self, arm: Arm, trial: LedgerTrial) -> Job:
        return searched_job(arm.study, arm.variant, arm.of, arm.space, trial, self.plan)

    def _confirm_job(self, trial: LedgerTrial) -> Job:
        source = trial.attributes["source"]
        return confirm_job(trial, self.plan, self.job_of(source) if source else None)

    def job_of(self, key: str) -> Job:
        """Return the job of the searched trial with this key; raise KeyError if there is none."""
        prefix, _, number = key.rpartition("-")
        for arm in self._arms.values():
            if KEY_PREFIX[arm.study] == prefix:
                return self._arm_job(arm, arm.ledger.trial(int(number)))
        raise KeyError(key)

    def known(self) -> list[tuple[Job, LedgerTrial]]:
        """Return every trial that was ever started, with its job."""
        arms = self._arms.values()
        searched = [(self._arm_job(arm, trial), trial) for arm in arms for trial in arm.ledger.trials()]
        return searched + [(self._confirm_job(trial), trial) for trial in self._confirm.trials()]

    # Handling results

    def epoch(self, job: Job, epoch: EpochReport) -> bool:
        """Record an epoch; return False if the job should stop now.

        An epoch that is known already is ignored: a resumed worker repeats its history.
        """
        self.calls.run_pending()
        ledger = self._ledger(job)
        if epoch.number not in ledger.trial(job.number).epochs:
            ledger.report(job.number, epoch.number, epoch.objective)
            for callback in self._callbacks:
                callback.on_epoch(job, epoch)
        if epoch.diverged:
            self.end(job, Outcome.DIVERGED)
            return False
        last = epoch.number >= job.training["epochs"]
        if not last and job.key in self._stopped_by:
            self._end_stopped(job)
            return False
        if job.study != "confirm" and not last and ledger.should_prune(job.number):
            self.end(job, Outcome.PRUNED)
            return False
        if not last and (self.suspending or self._exceeds_share()):
            self._interrupt(job)
            return False
        return not self.stopping.is_set()

    def _exceeds_share(self) -> bool:
        share = self.slots.share
        return share is not None and len(self._live) > share

    def _interrupt(self, job: Job) -> None:
        """Stop a job for now; it resumes from its checkpoint when a slot is free."""
        del self._live[job.key]
        self._unfinished.insert(0, job)
        for callback in self._callbacks:
            callback.on_job_interrupted(job)

    def end(self, job: Job, outcome: Outcome, final: dict[str, float] | None = None, error: str | None = None) -> None:
        """End a job with an outcome; do nothing if it has ended."""
        if self._live.pop(job.key, None) is None:
            return
        try:
            final = final or self._best_so_far(job)
            trial = self._ledger(job).finish(job.number, outcome, final=final, **({"error": error} if error else {}))
        except LedgerUnavailable:
            self._live[job.key] = job  # interrupted, not ended
            raise
        for callback in self._callbacks:
            callback.on_job_end(job, trial.outcome or outcome, final, error)

    def failed(self, job: Job, failure: Failure) -> None:
        """Handle a failure: retry the job from its checkpoint, end it, or stop the sweep.

        Failures are kept in the ledger, so that a resumed sweep counts them all.
        """
        if not self.is_live(job.key):
            return
        if job.key in self._hung:
            failure = Failure(FailureKind.HANG, failure.epoch, self._hung.pop(job.key))
        ledger = self._ledger(job)
        before = ledger.trial(job.number).attributes.get("failures", [])
        ledger.set_attributes(job.number, failures=[*before, failure.as_dict()])
        failures = [*map(Failure.from_dict, before), failure]
        decision = self.plan.retry_policy.decide(failures)
        if decision is RetryDecision.STOP:
            self.stop(failure.signature)
        elif decision is RetryDecision.RETRY:
            del self._live[job.key]
            self._unfinished.insert(0, job)
            note = f"{failure.kind} after epoch {failure.epoch} ({failure.signature}); it is retried from there"
            self.note(job, note)
        else:
            self.end(job, outcome_of(failures), error=failure.text)
            if sentence := repeated_failure([arm.ledger for arm in self._arms.values()], self.plan.trials):
                self.stop(sentence)

    def exclude_node(self, node: str, job: Job, why: str) -> None:
        """Exclude a node from now on, and retry the job that could not run there on another.

        Args:
            node: its id.
            job: the job that could not run there.
            why: text whose first sentence says what the node lacks.
        """
        if not self.is_live(job.key):
            return
        self._interrupt(job)
        if node not in self.excluded_nodes:
            self.excluded_nodes.add(node)
            reason = why.partition(". ")[0].rstrip(".")
            self.note(job, f"{reason}; it is excluded until Ray is restarted there, and the trial runs elsewhere")

    def report_hang(self, job: Job, text: str) -> None:
        """Note that the job's worker is killed because it hung; its death, reported later, then counts as a hang."""
        self._hung[job.key] = text

    def note(self, job: Job, note: str) -> None:
        """Pass a line for the user to the callbacks."""
        for callback in self._callbacks:
            callback.on_message(job, note)

    def epochs_done(self, job: Job) -> int:
        """Return the last epoch of the job in the ledger, 0 if there is none."""
        return max(self._ledger(job).trial(job.number).epochs, default=0)

    def stop(self, why: str) -> None:
        """Stop the sweep so that it can be resumed: running epochs end, and open jobs stay unfinished."""
        self.stopped_because = self.stopped_because or why
        self.stopping.set()

    # Requests of the user, in the driver's thread

    def pause(self) -> None:
        """Start no job, and interrupt the running ones at the end of their epoch, until `unpause`."""
        self.slots.pause()
        self.suspending = True

    def unpause(self) -> None:
        """Let jobs run again, once the executor has ended the run that `pause` interrupted."""
        self.slots.unpause()

    def end_suspension(self) -> None:
        """Let jobs start after the executor's run has ended; those that it left open resume first."""
        self._unfinished = self.interrupt() + self._unfinished
        self.suspending = self.slots.paused

    def stop_trial(self, key: str, by: str) -> None:
        """End a searched trial as pruned: at the end of its epoch if it runs, else now.

        Args:
            key: of the trial.
            by: user and host, which the ledger keeps as `stopped_by`.

        Raises:
            KeyError: no unfinished trial has this key.
        """
        if not self.is_unfinished(key):
            raise KeyError(key)
        self._stopped_by[key] = by
        self._end_stopped_trials()

    def _end_stopped_trials(self) -> None:
        """End the trials that were stopped and do not run."""
        for job in [job for job in self._unfinished if job.key in self._stopped_by]:
            self._unfinished.remove(job)
            self._live[job.key] = job
            self._end_stopped(job)

    def _end_stopped(self, job: Job) -> None:
        self._ledger(job).set_attributes(job.number, stopped_by=self._stopped_by[job.key])
        self.end(job, Outcome.PRUNED)

    def _best_so_far(self, job: Job) -> dict[str, float]:
        """Return the best objective and epoch of a job that did not train to its end."""
        epoch, objective = best_epoch(self._ledger(job).trial(job.number).epochs)
        return {} if epoch is None or objective is None else {"best_val_srcc": objective, "best_epoch": epoch}

    def interrupt(self) -> list[Job]:
        """Interrupt the jobs that are open once the executor has stopped; they stay unfinished in the ledger."""
        jobs, self._live = list(self._live.values()), {}
        for job in jobs:
            for callback in self._callbacks:
                callback.on_job_interrupted(job)
        return jobs

    def is_live(self, key: str) -> bool:
        """Return whether the job with a key was handed out and has not ended."""
        return key in self._live

    def is_unfinished(self, key: str) -> bool:
        """Return whether the job with a key was started and has not ended; it runs, or waits to be resumed."""
        return key in self._live or any(job.key == key for job in self._unfinished)

    def finished(self) -> bool:
        """Return whether every budget is met and every job has ended."""
        arms = all(self._queue.done(arm) for arm in self._arms.values())
        confirmed = not self._confirm.running() and not self._confirm.waiting()
        return arms and confirmed and not self._queue.due()

    def _ledger(self, job: Job) -> Ledger:
        return self._confirm if job.study == "confirm" else self._arms[job.study].ledger
