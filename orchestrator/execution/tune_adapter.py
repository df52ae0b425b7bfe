"""Adapter between Tune and the controller: a searcher that gets jobs and a scheduler that reports results.

Tune may pickle both at any time, so they hold only the key of the controller, which lives in this process.
"""

from __future__ import annotations

import logging
import pickle
import traceback
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from optuna.exceptions import StorageInternalError
from ray.tune import Callback, ProgressReporter
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from orchestrator.core.disk_space import is_disk_full
from orchestrator.core.errors import LedgerUnavailable
from orchestrator.execution.controller import NoJob, SweepController
from orchestrator.execution.failures import Failure, FailureKind, failure_of_worker
from orchestrator.execution.job import EpochReport, Job
from orchestrator.execution.node_exclusion import NodeUnreachable, can_exclude, exclude_nodes, mismatched_node, name_of
from orchestrator.search.outcome import Outcome

logger = logging.getLogger(__name__)

_open_controllers: dict[str, SweepController] = {}


def register_controller(key: str, controller: SweepController) -> None:
    """Register a controller under a key for the searcher and the scheduler of this process."""
    _open_controllers[key] = controller


class ControllerSearcher(Searcher):
    """Searcher that asks the controller for the next job whenever Tune can queue one."""

    def __init__(self, controller_key: str) -> None:
        super().__init__()
        self._controller_key = controller_key

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """Return the next job as Tune's configuration, None if there is none now, FINISHED if there will be none."""
        controller = _open_controllers[self._controller_key]
        try:
            job = controller.next_job()
        except (LedgerUnavailable, StorageInternalError, OSError) as error:
            controller.stop(f"A record could not be written: {error}")
            return Searcher.FINISHED
        if job is NoJob.NOW:
            return None
        if isinstance(job, NoJob):
            return Searcher.FINISHED
        return job.as_config()

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Do nothing: the scheduler has reported the result to the controller."""

    def save(self, checkpoint_path: str) -> None:
        """Save nothing: the ledger holds the state."""

    def restore(self, checkpoint_path: str) -> None:
        """Restore nothing: the ledger holds the state."""


class ControllerScheduler(FIFOScheduler):
    """Scheduler that reports every result to the controller and stops the trials that the controller stops."""

    def __init__(self, controller_key: str) -> None:
        super().__init__()
        self._controller_key = controller_key

    def choose_trial_to_run(self, tune_controller: Any) -> Trial | None:
        """Return the first waiting trial without an actor. If the sweep stops or pauses, cancel the waiting trials.

        If another sweep has a right to the slot, the actor that Tune keeps for the next trial ends.
        """
        controller = _open_controllers[self._controller_key]
        controller.calls.run_pending()
        if controller.gives_way():
            _end_cached_actors(tune_controller)
        try:
            waiting = _without_actor(tune_controller)
        except AttributeError:  # another version of Ray
            return super().choose_trial_to_run(tune_controller)
        if controller.stopping.is_set() or controller.suspending:
            for trial in waiting:
                tune_controller._tune_controller.request_stop_trial(trial)
            return None
        return waiting[0] if waiting else None

    def on_trial_add(self, tune_controller: Any, trial: Trial) -> None:
        """Restrict a trial to the nodes that the sweep does not exclude."""
        if excluded := _open_controllers[self._controller_key].excluded_nodes:
            trial.update_resources(exclude_nodes(trial.placement_group_factory, excluded))
        super().on_trial_add(tune_controller, trial)

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Return CONTINUE or STOP, as the controller decides."""
        return TrialScheduler.CONTINUE if self._handle_result(trial, result) else TrialScheduler.STOP

    def on_trial_complete(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> None:
        """Report the last result of a job to the controller."""
        self._handle_result(trial, result)

    def on_trial_error(self, tune_controller: Any, trial: Trial) -> None:
        """Report the death of a worker to the controller, which retries its job as a new Tune trial or ends it."""
        controller, job = _open_controllers[self._controller_key], Job.from_config(trial.config)
        try:
            error, text = _error_of(trial)
            failure = failure_of_worker(error, text, controller.epochs_done(job))
            try:
                node = mismatched_node(error, controller.excluded_nodes)
            except NodeUnreachable:
                node, failure = None, replace(failure, kind=FailureKind.NODE_LOST)
            if node:
                lacks = f"The node {name_of(node)} has other code of this project than when the sweep began, or none."
                failure = Failure(FailureKind.CODE, failure.epoch, f"{lacks} Bring it back, and resume.")
            self._handle_failure(trial, job, failure, node)
        except Exception as error:
            _stop_or_fail(controller, job, error)

    def _handle_failure(self, trial: Trial, job: Job, failure: Failure, node: str | None) -> None:
        """Report a failure to the controller; exclude the node that caused it if the sweep can."""
        controller = _open_controllers[self._controller_key]
        if node and can_exclude(node, controller.excluded_nodes, trial.placement_group_factory):
            controller.exclude_node(node, job, failure.text)
        else:
            controller.failed(job, failure)

    def _handle_result(self, trial: Trial, result: dict[str, Any]) -> bool:
        controller = _open_controllers[self._controller_key]
        try:
            job, message = Job.from_config(trial.config), result["message"][0]
            if node := message.get("unfit"):
                self._handle_failure(trial, job, Failure.from_dict(message["failure"]), node)
                return False
            return handle_result(controller, job, result)
        except Exception as error:
            # An exception in a hook would end the whole sweep or run a finished trial again.
            if "job" in trial.config:
                _stop_or_fail(controller, Job.from_config(trial.config), error)
            return False


class RunningJobs(Callback):
    """Tune callback that reports to the controller which jobs have got a worker."""

    def __init__(self, controller_key: str) -> None:
        self._controller_key = controller_key

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """Mark a trial's job as running: its actor is there."""
        with suppress(Exception):  # an exception in a callback would end the whole sweep
            _open_controllers[self._controller_key].mark_running(Job.from_config(trial.config))


class NoReporter(ProgressReporter):
    """Tune reporter that shows nothing; Tune's own would clear the output of a notebook's cell."""

    def should_report(self, trials: list[Trial], done: bool = False) -> bool:
        """Return False."""
        return False

    def report(self, trials: list[Trial], done: bool, *sys_info: Any) -> None:
        """Do nothing."""


def _without_actor(tune_controller: Any) -> list[Trial]:
    """Return the trials that wait for a slot, in their order, without those whose actor is being started.

    If a trial whose actor is being started were chosen, Tune would end that actor if it has cached another. It would
    then start one for the next trial. If trials are shorter than the start of an actor, most slots would only start
    actors.
    """
    tune = tune_controller._tune_controller  # schedulers get a proxy that lacks these attributes
    trial_of = tune._actor_to_trial
    requested = [trial_of[actor] for actor in tune._actor_manager.pending_actors if actor in trial_of]
    new = [
        trial
        for trial in tune._pending_trials_list  # it keeps some that no longer wait, and lacks some that do
        if trial in tune._pending_trials and trial not in tune._trial_to_actor
    ]
    return requested + new


def _end_cached_actors(tune_controller: Any) -> None:
    """End the actor that Tune caches, with a slot and its GPU memory, until a trial starts or another ends."""
    tune = tune_controller._tune_controller  # schedulers get a proxy that lacks these attributes
    try:
        if tune._actor_cache.num_cached_objects and not tune._pending_trials:
            tune._cleanup_cached_actors(force_all=True)
    except AttributeError:  # another version of Ray: the slot is free when a trial ends
        logger.info("the actor that Tune caches for the next trial cannot be ended", exc_info=True)


def _error_of(trial: Trial) -> tuple[BaseException | None, str]:
    """Return the exception that ended a trial if Tune stored it, and its text.

    Tune has just written both on this host, but not yet to the path that its own `get_pickled_error` reads.
    """
    error, text = None, ""
    with suppress(Exception):  # without a readable file there is no error to return
        if trial.error_file:
            text = Path(trial.error_file).read_text(encoding="utf-8")
        if trial.pickled_error_file:
            error = pickle.loads(Path(trial.pickled_error_file).read_bytes())
    return error, str(error) if error is not None else text


def _stop_or_fail(controller: SweepController, job: Job, error: Exception) -> None:
    """Handle an exception in the driver: stop the sweep if a record could not be written, else fail the job.

    The sweep would wait for a job that stays open forever.
    """
    logger.error("%s: the driver failed", job.key, exc_info=error)
    if is_disk_full(error) or isinstance(error, OSError | StorageInternalError | LedgerUnavailable):
        controller.stop(f"A record could not be written: {error}")
        return
    try:
        controller.end(job, Outcome.FAILED, error="".join(traceback.format_exception(error)))
    except Exception as second:
        logger.exception("%s stays unfinished", job.key)
        controller.stop(f"A record could not be written: {second}")


def handle_result(controller: SweepController, job: Job, result: dict[str, Any]) -> bool:
    """Report a worker's message to the controller; return False if the worker should stop."""
    if not controller.is_live(job.key):
        return False
    message = result["message"][0]
    for note in message.get("notes", ()):
        controller.note(job, note)
    for epoch in message["epochs"]:
        if not controller.epoch(job, EpochReport(**epoch)):
            return False
    if failure := message.get("failure"):
        controller.failed(job, Failure.from_dict(failure))
        return False
    if outcome := message.get("outcome"):
        controller.end(job, Outcome(outcome), final=message.get("final"), error=message.get("error"))
        return False
    return True
