"""Tune's view of the controller: a searcher that fetches jobs and a scheduler that brings results.

Tune pickles both whenever it likes; all that they hold then is the key of the controller of this process.
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
    """Makes a controller known to the hooks of this process."""
    _open_controllers[key] = controller


class ControllerSearcher(Searcher):
    """Asks the controller for the next job whenever Tune has room for one."""

    def __init__(self, controller_key: str) -> None:
        super().__init__()
        self._controller_key = controller_key

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """The next job as Tune's configuration, None where there is none now, FINISHED where there will be none."""
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
        """Nothing: the scheduler has told the controller."""

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the ledger remembers."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: the ledger remembers."""


class ControllerScheduler(FIFOScheduler):
    """Brings every result to the controller and stops what the controller says to stop."""

    def __init__(self, controller_key: str) -> None:
        super().__init__()
        self._controller_key = controller_key

    def choose_trial_to_run(self, tune_controller: Any) -> Trial | None:
        """The first in line that has no process yet; None, and their end, once the sweep stops.

        Where another sweep has the slot, the process that Tune keeps for the next one ends.
        """
        controller = _open_controllers[self._controller_key]
        if controller.gives_way():
            _free_kept_processes(tune_controller)
        try:
            waiting = _without_process(tune_controller)
        except AttributeError:  # another version of Ray
            return super().choose_trial_to_run(tune_controller)
        if controller.stopping.is_set():
            for trial in waiting:
                tune_controller._tune_controller.request_stop_trial(trial)
            return None
        return waiting[0] if waiting else None

    def on_trial_add(self, tune_controller: Any, trial: Trial) -> None:
        """A job may run on any host but those that are left out."""
        if left_out := _open_controllers[self._controller_key].left_out:
            trial.update_resources(exclude_nodes(trial.placement_group_factory, left_out))
        super().on_trial_add(tune_controller, trial)

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """CONTINUE or STOP, as the controller decides."""
        go_on = self._take_in(trial, result)
        return TrialScheduler.CONTINUE if go_on else TrialScheduler.STOP

    def on_trial_complete(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> None:
        """A job's last result comes by here."""
        self._take_in(trial, result)

    def on_trial_error(self, tune_controller: Any, trial: Trial) -> None:
        """A worker died: the controller hands its job out again, as a Tune trial of its own, or ends it."""
        controller, job = _open_controllers[self._controller_key], Job.from_config(trial.config)
        try:
            error, text = _error_of(trial)
            failure = failure_of_worker(error, text, controller.epochs_done(job))
            try:
                host = mismatched_node(error, controller.left_out)
            except NodeUnreachable:
                host, failure = None, replace(failure, kind=FailureKind.NODE_LOST)
            if host:
                lacks = f"The node {name_of(host)} has other code of this project than when the sweep began, or none."
                failure = Failure(FailureKind.CODE, failure.epoch, f"{lacks} Bring it back, and resume.")
            self._misfortune(trial, job, failure, host)
        except Exception as error:
            _stop_or_give_up(controller, job, error)

    def _misfortune(self, trial: Trial, job: Job, failure: Failure, host: str | None) -> None:
        """What befell a job; where it is the fault of a host that the sweep can do without, it does."""
        controller = _open_controllers[self._controller_key]
        if host and can_exclude(host, controller.left_out, trial.placement_group_factory):
            controller.leave_out(host, job, failure.text)
        else:
            controller.failed(job, failure)

    def _take_in(self, trial: Trial, result: dict[str, Any]) -> bool:
        controller = _open_controllers[self._controller_key]
        try:
            job, message = Job.from_config(trial.config), result["message"][0]
            if host := message.get("unfit"):
                self._misfortune(trial, job, Failure.from_dict(message["failure"]), host)
                return False
            return take_in(controller, job, result)
        except Exception as error:
            # An exception in a hook would end the whole sweep or run a finished trial again.
            if "job" in trial.config:
                _stop_or_give_up(controller, Job.from_config(trial.config), error)
            return False


def _without_process(tune_controller: Any) -> list[Trial]:
    """The trials that wait for a slot, in their order, without those for which a process is being started.

    For one of these Tune would end that process where it keeps one of an ended trial, and start one for the next in
    line: where trials are shorter than the start of a process, most slots would be busy with nothing but starts.
    """
    tune = tune_controller._tune_controller  # what schedulers are given shows less
    trial_of = tune._actor_to_trial
    asked = [trial_of[actor] for actor in tune._actor_manager.pending_actors if actor in trial_of]
    new = [
        trial
        for trial in tune._pending_trials_list  # which keeps some that wait no more, and drops some that do
        if trial in tune._pending_trials and trial not in tune._trial_to_actor
    ]
    return asked + new


def _free_kept_processes(tune_controller: Any) -> None:
    """Tune keeps one process, and with it a slot and its GPU memory, until a trial comes or another one ends."""
    tune = tune_controller._tune_controller  # what schedulers are given shows less
    try:
        if tune._actor_cache.num_cached_objects and not tune._pending_trials:
            tune._cleanup_cached_actors(force_all=True)
    except AttributeError:  # another version of Ray: the slot comes when a trial ends
        logger.info("A process that Tune keeps for the next trial cannot be ended", exc_info=True)


def _error_of(trial: Trial) -> tuple[BaseException | None, str]:
    """Why Tune says that a trial ended: the exception where it kept it, and its text.

    Tune has just written both on this host, and not yet to where its own `get_pickled_error` looks for them.
    """
    error, text = None, ""
    with suppress(Exception):  # a file that cannot be read says nothing
        if trial.error_file:
            text = Path(trial.error_file).read_text()
        if trial.pickled_error_file:
            error = pickle.loads(Path(trial.pickled_error_file).read_bytes())
    return error, str(error) if error is not None else text


def _stop_or_give_up(controller: SweepController, job: Job, error: Exception) -> None:
    """After an exception in the driver: where a record could not be written the sweep stops, to be resumed.

    Any other is this job's: one left open would have the sweep wait for it for ever.
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


def take_in(controller: SweepController, job: Job, result: dict[str, Any]) -> bool:
    """Passes a worker's message to the controller; False where the worker should stop."""
    if not controller.is_live(job):
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
