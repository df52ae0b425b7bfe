"""Queue of a sweep's confirm runs and baselines in the ledger: which are due, and which are outdated."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from orchestrator.execution.job import KEY_PREFIX, Study, job_key
from orchestrator.execution.plan import Arm, Plan
from orchestrator.search.ledger import Ledger
from orchestrator.search.ledger_trial import LedgerTrial


class ConfirmQueue:
    """Queue of confirm runs: the baselines, and the best trials of each arm once its search is done.

    Args:
        plan: budgets of the sweep.
        arms: searches.
        ledger: of confirm runs and baselines.
        may_ask: returns whether an arm may start another trial.
    """

    def __init__(self, plan: Plan, arms: Sequence[Arm], ledger: Ledger, may_ask: Callable[[Arm], bool]) -> None:
        self._plan = plan
        self._arms = arms
        self._ledger = ledger
        self._may_ask = may_ask
        self._best_of_done: dict[Study, list[str]] = {}

    def enqueue_due(self) -> None:
        """Enqueue the runs that are due, and replace those that are outdated and have not started."""
        due = self.due()
        # A search that resumed with a larger budget may have found better configurations: these replace the queued
        # ones that have not started.
        outdated = self._outdated()
        for trial, (source, split) in zip(outdated, due, strict=False):
            self._ledger.set_attributes(trial.number, source=source, split=split)
        for source, split in due[len(outdated) :]:
            self._ledger.enqueue({}, {"source": source, "split": split})

    def due(self) -> list[tuple[str | None, int]]:
        """Return the baselines (without a source) and the confirm runs of finished arms that are not queued yet."""
        if not self._plan.confirm:
            return []
        sources: list[str | None] = [None]
        for arm in self._arms:
            if self.done(arm):
                sources += self._best(arm)
        queued = {(trial.attributes["source"], trial.attributes["split"]) for trial in self._ledger.all()}
        runs = [(source, split) for source in sources for split in range(1, self._plan.splits + 1)]
        return [run for run in runs if run not in queued]

    def done(self, arm: Arm) -> bool:
        """Return whether an arm starts no trial any more and none of its trials runs."""
        return not self._may_ask(arm) and not arm.ledger.running()

    def _best(self, arm: Arm) -> list[str]:
        """Return the keys of a finished arm's best trials, ranked once: Tune asks for a job after every result."""
        if arm.study not in self._best_of_done:
            best = arm.ledger.best(self._plan.confirm)
            self._best_of_done[arm.study] = [job_key(arm.study, trial.number) for trial in best]
        return self._best_of_done[arm.study]

    def _queued(self, arm: Arm) -> list[LedgerTrial]:
        """Return the confirm runs of an arm's configurations that have not started."""
        started = {trial.number for trial in self._ledger.trials()}
        prefix = f"{KEY_PREFIX[arm.study]}-"
        return [
            trial
            for trial in self._ledger.all()
            if trial.number not in started and (trial.attributes["source"] or "").startswith(prefix)
        ]

    def _outdated(self) -> list[LedgerTrial]:
        """Return the queued confirm runs of configurations that are no longer among the best of a finished arm."""
        done = [arm for arm in self._arms if self._ledger.waiting() and self.done(arm)]
        return [
            trial
            for arm, best in [(arm, self._best(arm)) for arm in done]
            for trial in self._queued(arm)
            if trial.attributes["source"] not in best
        ]

    def may_change(self) -> bool:
        """Return whether a confirm run is queued of an arm that searches again, and so may get other best trials."""
        return any(not self.done(arm) and self._queued(arm) for arm in self._arms)
