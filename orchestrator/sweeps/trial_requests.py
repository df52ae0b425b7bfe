"""Handler of requests about the trials of a running sweep: pause, unpause, stop one trial, enqueue configurations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from orchestrator.core.errors import InputError, LedgerUnavailable
from orchestrator.core.sweep_requests import RequestAnswer, RequestKind, SweepRequest
from orchestrator.execution.controller import SweepController
from orchestrator.execution.job import KEY_PREFIX
from orchestrator.execution.plan import Arm
from orchestrator.search.enqueue_configurations import enqueue_configurations
from orchestrator.search.initial_trials import check_configurations
from orchestrator.tracking.recorder import Recorder


class TrialRequestHandler:
    """Handler of requests, called in the driver's thread.

    Args:
        controller: of the sweep.
        recorder: tags the runs of stopped trials.
        arms: searches; the first one takes enqueued configurations.
        notify: prints and logs a sentence for the user at the sweep's own terminal.
    """

    def __init__(
        self, controller: SweepController, recorder: Recorder, arms: Sequence[Arm], notify: Callable[[str], None]
    ) -> None:
        self._controller = controller
        self._recorder = recorder
        self._arms = arms
        self._notify = notify

    def handle(self, request: SweepRequest) -> RequestAnswer:
        """Handle a request and return the answer.

        Raises:
            InputError: it is refused, for the reason in the message.
        """
        if self._controller.stopping.is_set():
            raise InputError("The sweep stops already.")
        handlers = {
            RequestKind.PAUSE: self._pause,
            RequestKind.UNPAUSE: self._unpause,
            RequestKind.STOP_TRIAL: self._stop_trial,
            RequestKind.ENQUEUE: self._enqueue,
        }
        try:
            kind = RequestKind(request.kind)
        except ValueError:
            raise InputError(f"The sweep runs with a version that does not know {request.kind!r}.") from None
        try:
            return handlers[kind](request)
        except LedgerUnavailable as error:
            self._controller.stop(f"A record could not be written: {error}")
            raise InputError(str(error)) from error

    def _pause(self, request: SweepRequest) -> RequestAnswer:
        if self._controller.slots.paused:
            raise InputError("The sweep is paused already.")
        self._controller.pause()
        self._notify(f"Paused by {request.by}: running trials are interrupted at the end of their epoch.")
        return RequestAnswer(True, "Paused: running trials are interrupted at the end of their epoch.")

    def _unpause(self, request: SweepRequest) -> RequestAnswer:
        if not self._controller.slots.paused:
            raise InputError("The sweep is not paused.")
        self._controller.unpause()
        self._notify(f"Unpaused by {request.by}.")
        return RequestAnswer(True, "Unpaused: interrupted trials resume from their checkpoints.")

    def _stop_trial(self, request: SweepRequest) -> RequestAnswer:
        key = str(request.arguments.get("trial"))
        if not self._controller.is_unfinished(key):
            raise InputError(self._why_not_stopped(key))
        when = " at the end of its epoch" if self._controller.is_live(key) else ""
        text = f"{key} ends as pruned{when}."
        self._recorder.note_stop(key, request.by)
        self._controller.stop_trial(key, request.by)
        self._notify(f"Stopped by {request.by}: {text}")
        return RequestAnswer(True, text, {"trial": key})

    def _why_not_stopped(self, key: str) -> str:
        known = self._controller.known()
        for job, trial in known:
            if job.key == key:
                return f"{key} has ended already: {trial.outcome}."
        prefix = key.partition("-")[0]
        same_study = [job for job, _ in known if KEY_PREFIX[job.study] == prefix]
        last = max(same_study, key=lambda job: job.number, default=None)
        return f"The sweep has not started {key}{f'; its latest is {last.key}' if last else ''}."

    def _enqueue(self, request: SweepRequest) -> RequestAnswer:
        arm, budget = self._arms[0], self._controller.plan.trials
        given: Any = request.arguments.get("configurations")
        configurations = check_configurations(given, arm.space, "The request")
        if self._controller.is_overdue():
            raise InputError("The search is over: its --max-hours have passed.")
        if arm.ledger.asked() >= budget:
            raise InputError(f"The search is over: all {budget} trials of its budget have started.")
        found = enqueue_configurations(arm.ledger, configurations, budget, request.by)
        if found.numbers:
            self._notify(f"Enqueued by {request.by}: {found.names()}.")
        return RequestAnswer(bool(found.numbers), found.sentences(budget), found.as_dict())
