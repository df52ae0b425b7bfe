"""The desk: hands out jobs, takes in their results, and tells the ledger and the watchers.

It is the whole of a sweep's logic apart from Ray. Tune's searcher and scheduler only pass messages to it, so it
runs as well under a simulated executor in virtual time.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterable, Sequence
from enum import Enum, auto

from orchestrator.core.errors import LedgerUnavailable
from orchestrator.execution.callbacks import SweepCallback
from orchestrator.execution.failures import Failure, FailureKind, RetryDecision, decide_retry, outcome_of
from orchestrator.execution.job import KEY_PREFIX, EpochReport, Job, Study, job_key
from orchestrator.execution.plan import Arm, Plan, confirm_job, searched_job
from orchestrator.search.ledger import Ledger
from orchestrator.search.ledger_trial import LedgerTrial, best_epoch
from orchestrator.search.outcome import Outcome

_ALIKE = 3
"""So many failures of one kind, with nothing else beside them, and the sweep stops."""


class NoJob(Enum):
    """Why there is no job."""

    NOW = auto()
    """Running jobs have to end first, or every slot is taken."""
    EVER = auto()
    """All is handed out."""


class SweepController:
    """Hands out the jobs of one sweep in this order: unfinished ones, the arms' trials in turn, confirm runs.

    Args:
        plan: how much work there is.
        arms: the searches; they keep pace with one another.
        confirm: the ledger of confirm runs and baselines.
        callbacks: told of everything.
        stopping: set by whoever wants the sweep to stop; no job is handed out from then on.

    Attributes:
        stopped_because: why the desk itself set `stopping`, in a sentence; None where it did not.
        left_out: hosts that cannot run its jobs, by the executor's names for them.
        allowed: jobs at a time while others want the cluster as well, set from any thread; None for no limit.
    """

    def __init__(
        self,
        plan: Plan,
        arms: Sequence[Arm],
        confirm: Ledger,
        callbacks: Iterable[SweepCallback] = (),
        stopping: threading.Event | None = None,
    ) -> None:
        self.plan = plan
        self.stopping = stopping or threading.Event()
        self._arms = {arm.study: arm for arm in arms}
        self._confirm = confirm
        self._callbacks = list(callbacks)
        self.stopped_because: str | None = None
        self.allowed: int | None = None
        self.left_out: set[str] = set()
        self._room = math.inf
        self._live: dict[str, Job] = {}
        self._hung: dict[str, str] = {}
        self._best_of_done: dict[Study, list[str]] = {}
        self._unfinished = [self._arm_job(arm, trial) for arm in arms for trial in arm.ledger.resume_unfinished()]
        self._unfinished += [self._confirm_job(trial) for trial in confirm.resume_unfinished()]
        self._enqueue_confirm_runs()

    # Handing out

    def next_job(self) -> Job | NoJob:
        """The next job, or why there is none."""
        if self.stopping.is_set():
            return NoJob.EVER
        if len(self._live) >= min(self.plan.concurrency or math.inf, self._allowed, self._room):
            return NoJob.NOW
        job = self._unfinished.pop(0) if self._unfinished else self._new_job()
        if job is None:
            return NoJob.NOW if self._live else NoJob.EVER
        self._live[job.key] = job
        for callback in self._callbacks:
            callback.on_job_start(job)
        return job

    def use_slots(self, slots: int) -> None:
        """Hands out no more than fit side by side, and a few ahead: a slot that falls free has work at once."""
        self._room = slots + max(1, slots // 4)

    def gives_way(self) -> bool:
        """Whether it hands nothing out because other sweeps have a right to the rest of the cluster."""
        return self.allowed is not None and len(self._live) >= self._allowed

    def _new_job(self) -> Job | None:
        open_arms = [arm for arm in self._arms.values() if self._may_ask(arm)]
        if open_arms:
            arm = min(open_arms, key=lambda arm: arm.ledger.asked())
            return self._arm_job(arm, arm.ledger.ask())
        self._enqueue_confirm_runs()
        if self._confirm.waiting() and not self._confirm_runs_may_change():
            return self._confirm_job(self._confirm.ask())
        return None

    def _may_ask(self, arm: Arm) -> bool:
        return arm.ledger.asked() < self.plan.trials and time.time() < self.plan.deadline

    def _enqueue_confirm_runs(self) -> None:
        due = self._confirm_runs_due()
        # A search that went on with a larger budget may have found better ones meanwhile: what is queued and has not
        # begun is given to them.
        outdated = self._outdated()
        for trial, (source, split) in zip(outdated, due, strict=False):
            self._confirm.set_attributes(trial.number, source=source, split=split)
        for source, split in due[len(outdated) :]:
            self._confirm.enqueue({}, {"source": source, "split": split})

    def _confirm_runs_due(self) -> list[tuple[str | None, int]]:
        """Baselines (of no source) and confirm runs of arms that are done, one a split, if not queued yet."""
        if not self.plan.confirm:
            return []
        sources: list[str | None] = [None]
        for arm in self._arms.values():
            if self._done(arm):
                sources += self._best(arm)
        there = {(trial.attributes["source"], trial.attributes["split"]) for trial in self._confirm.all()}
        runs = [(source, split) for source in sources for split in range(1, self.plan.splits + 1)]
        return [run for run in runs if run not in there]

    def _done(self, arm: Arm) -> bool:
        return not self._may_ask(arm) and not arm.ledger.running()

    def _best(self, arm: Arm) -> list[str]:
        """Keys of the best of an arm that is done: ranked once, since Tune asks for a job after every result."""
        if arm.study not in self._best_of_done:
            best = arm.ledger.best(self.plan.confirm)
            self._best_of_done[arm.study] = [job_key(arm.study, trial.number) for trial in best]
        return self._best_of_done[arm.study]

    def _queued(self, arm: Arm) -> list[LedgerTrial]:
        """Confirm runs of an arm's configurations that have not begun."""
        begun = {trial.number for trial in self._confirm.trials()}
        title = KEY_PREFIX[arm.study]
        return [
            trial
            for trial in self._confirm.all()
            if trial.number not in begun and (trial.attributes["source"] or "").startswith(title)
        ]

    def _outdated(self) -> list[LedgerTrial]:
        """Queued confirm runs of configurations that are no longer among the best of an arm that is done."""
        done = [arm for arm in self._arms.values() if self._confirm.waiting() and self._done(arm)]
        return [
            trial
            for arm, best in [(arm, self._best(arm)) for arm in done]
            for trial in self._queued(arm)
            if trial.attributes["source"] not in best
        ]

    def _confirm_runs_may_change(self) -> bool:
        """Whether a confirm run is queued of an arm that searches again, so that it may not be among its best."""
        return any(not self._done(arm) and self._queued(arm) for arm in self._arms.values())

    def _arm_job(self, arm: Arm, trial: LedgerTrial) -> Job:
        return searched_job(arm.study, arm.variant, arm.of, arm.space, trial, self.plan)

    def _confirm_job(self, trial: LedgerTrial) -> Job:
        source = trial.attributes["source"]
        return confirm_job(trial, self.plan, self.job_of(source) if source else None)

    def job_of(self, key: str) -> Job:
        """The searched trial with this key, as the job it was."""
        title, _, number = key.rpartition("-")
        for arm in self._arms.values():
            if KEY_PREFIX[arm.study] == title:
                return self._arm_job(arm, arm.ledger.trial(int(number)))
        raise KeyError(key)

    def known(self) -> list[tuple[Job, LedgerTrial]]:
        """Every trial that was ever handed out, as the job it was."""
        arms = self._arms.values()
        searched = [(self._arm_job(arm, trial), trial) for arm in arms for trial in arm.ledger.trials()]
        return searched + [(self._confirm_job(trial), trial) for trial in self._confirm.trials()]

    # Taking in

    def epoch(self, job: Job, epoch: EpochReport) -> bool:
        """Takes in an epoch; False where the job should stop now.

        An epoch that is known already (a worker that starts again repeats its history) is passed over.
        """
        ledger = self._ledger(job)
        if epoch.number not in ledger.trial(job.number).epochs:
            ledger.report(job.number, epoch.number, epoch.objective)
            for callback in self._callbacks:
                callback.on_epoch(job, epoch)
        if epoch.diverged:
            self.end(job, Outcome.DIVERGED)
            return False
        last = epoch.number >= job.training["epochs"]
        if job.study != "confirm" and not last and ledger.should_prune(job.number):
            self.end(job, Outcome.PRUNED)
            return False
        if not last and len(self._live) > self._allowed:
            self._put_back(job)
            return False
        return not self.stopping.is_set()

    @property
    def _allowed(self) -> float:
        return math.inf if self.allowed is None else max(1, self.allowed)

    def _put_back(self, job: Job) -> None:
        """Hands the job out again, from its checkpoint, when there is room elsewhere."""
        del self._live[job.key]
        self._unfinished.insert(0, job)
        for callback in self._callbacks:
            callback.on_job_interrupted(job)

    def end(self, job: Job, outcome: Outcome, final: dict[str, float] | None = None, error: str | None = None) -> None:
        """Closes a job; a second word on a closed one changes nothing."""
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
        """Takes in that a job stopped by a failure: it starts again from its checkpoint, or it ends.

        What a job has been through is in the ledger, so that a resumed sweep judges by all of it.
        """
        if not self.is_live(job):
            return
        if job.key in self._hung:
            failure = Failure(FailureKind.HANG, failure.epoch, self._hung.pop(job.key))
        ledger = self._ledger(job)
        before = ledger.trial(job.number).attributes.get("failures", [])
        ledger.set_attributes(job.number, failures=[*before, failure.as_dict()])
        failures = [*map(Failure.from_dict, before), failure]
        verdict = decide_retry(failures)
        if verdict is RetryDecision.STOP:
            self.stop(failure.signature)
        elif verdict is RetryDecision.RETRY:
            del self._live[job.key]
            self._unfinished.insert(0, job)
            note = f"{failure.kind} after epoch {failure.epoch} ({failure.signature}); it starts again from there"
            self.note(job, note)
        else:
            self.end(job, outcome_of(failures), error=failure.text)
            self._stop_if_all_fail_alike()

    def leave_out(self, host: str, job: Job, why: str) -> None:
        """Does without a host from now on; the job that could not run there starts again elsewhere.

        Args:
            host: the executor's name for it.
            job: what could not run there.
            why: of whose sentences the first says what the host lacks.
        """
        if not self.is_live(job):
            return
        self._put_back(job)
        if host not in self.left_out:
            self.left_out.add(host)
            what = why.partition(". ")[0].rstrip(".")
            self.note(job, f"{what}; it is left out until Ray is started anew there, and the trial starts elsewhere")

    def report_hang(self, job: Job, text: str) -> None:
        """Says that the job's worker was put down because it hung: its death, when it is told, is explained."""
        self._hung[job.key] = text

    def note(self, job: Job, note: str) -> None:
        """Passes on a line for people."""
        for callback in self._callbacks:
            callback.on_message(job, note)

    def epochs_done(self, job: Job) -> int:
        """The last epoch of the job that the ledger knows, 0 for none."""
        return max(self._ledger(job).trial(job.number).epochs, default=0)

    def stop(self, why: str) -> None:
        """Stops the sweep so that it can be resumed: running epochs end, and what is open stays unfinished."""
        self.stopped_because = self.stopped_because or why
        self.stopping.set()

    def _stop_if_all_fail_alike(self) -> None:
        """There is no sense in spending the rest of a budget on an error that no trial escapes."""
        counts = [arm.ledger.counts() for arm in self._arms.values()]
        failed = sum(count[Outcome.FAILED] for count in counts)
        if failed < min(_ALIKE, self.plan.trials) or failed < sum(sum(count.values()) for count in counts):
            return
        trials = [trial for arm in self._arms.values() for trial in arm.ledger.trials()]
        ended = [trial for trial in trials if trial.outcome]
        last = [
            Failure.from_dict(trial.attributes["failures"][-1]) for trial in ended if "failures" in trial.attributes
        ]
        furthest = max((failure.epoch for failure in last), default=0)
        got_past = any(max(trial.epochs, default=0) > furthest for trial in trials)
        if len(last) == len(ended) and len({failure.signature for failure in last}) == 1 and not got_past:
            self.stop(f"Every trial so far ({len(ended)}) failed in the same way: {last[0].signature}")

    def _best_so_far(self, job: Job) -> dict[str, float]:
        """What stands for a job that did not train to its end."""
        epoch, objective = best_epoch(self._ledger(job).trial(job.number).epochs)
        return {} if epoch is None or objective is None else {"best_val_srcc": objective, "best_epoch": epoch}

    def interrupt(self) -> list[Job]:
        """Called when the executor has stopped: the jobs that are still open stay unfinished in the ledger."""
        jobs, self._live = list(self._live.values()), {}
        for job in jobs:
            for callback in self._callbacks:
                callback.on_job_interrupted(job)
        return jobs

    def is_live(self, job: Job) -> bool:
        """Whether the job was handed out and has not ended."""
        return job.key in self._live

    def finished(self) -> bool:
        """Whether nothing is left to do."""
        arms = all(self._done(arm) for arm in self._arms.values())
        confirmed = not self._confirm.running() and not self._confirm.waiting()
        return arms and confirmed and not self._confirm_runs_due()

    def _ledger(self, job: Job) -> Ledger:
        return self._confirm if job.study == "confirm" else self._arms[job.study].ledger
