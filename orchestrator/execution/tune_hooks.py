"""Tune's view of the desk: a searcher that fetches jobs and a scheduler that brings results.

Tune pickles both whenever it likes; all that they hold then is the key of the desk of this process.
"""

from __future__ import annotations

import logging
import traceback
from typing import Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from orchestrator.disk import is_disk_full
from orchestrator.execution.desk import Desk, Nothing
from orchestrator.execution.job import Epoch, Job
from orchestrator.search.outcome import Outcome

logger = logging.getLogger(__name__)

_open_desks: dict[str, Desk] = {}


def register_desk(key: str, desk: Desk) -> None:
    """Makes a desk known to the hooks of this process."""
    _open_desks[key] = desk


class DeskSearcher(Searcher):
    """Asks the desk for the next job whenever Tune has room for one."""

    def __init__(self, desk_key: str) -> None:
        super().__init__()
        self._desk_key = desk_key
        self._jobs: dict[str, Job] = {}

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """The next job as Tune's configuration, None where there is none now, FINISHED where there will be none."""
        desk = _open_desks[self._desk_key]
        try:
            job = desk.next_job()
        except Exception as error:
            if not is_disk_full(error):
                raise
            desk.stop_for_disk(str(error))
            return Searcher.FINISHED
        if job is Nothing.NOW:
            return None
        if isinstance(job, Nothing):
            return Searcher.FINISHED
        self._jobs[trial_id] = job
        return job.as_config()

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Only an error that Tune has given up on is news here: the scheduler has told all the rest."""
        job = self._jobs.pop(trial_id, None)
        if error and job is not None:
            _give_up(_open_desks[self._desk_key], job, "The worker died again and again.")

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the ledger remembers."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: the ledger remembers."""


class DeskScheduler(FIFOScheduler):
    """Brings every result to the desk and stops what the desk says to stop."""

    def __init__(self, desk_key: str) -> None:
        super().__init__()
        self._desk_key = desk_key

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """CONTINUE or STOP, as the desk decides."""
        go_on = self._take_in(trial, result)
        return TrialScheduler.CONTINUE if go_on else TrialScheduler.STOP

    def on_trial_complete(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> None:
        """A job's last result comes by here."""
        self._take_in(trial, result)

    def _take_in(self, trial: Trial, result: dict[str, Any]) -> bool:
        desk = _open_desks[self._desk_key]
        try:
            return take_in(desk, Job.from_config(trial.config), result)
        except Exception as error:
            # An exception in a hook would end the whole sweep or run a finished trial again.
            if is_disk_full(error):
                desk.stop_for_disk(str(error))
                return False
            logger.exception("taking in a result of %s failed", trial)
            if "job" in trial.config:
                _give_up(desk, Job.from_config(trial.config), traceback.format_exc())
            return False


def _give_up(desk: Desk, job: Job, error: str) -> None:
    """Ends a job that cannot go on: one left open would have the sweep wait for it for ever."""
    try:
        desk.end(job, Outcome.FAILED, error=error)
    except Exception as failure:
        if is_disk_full(failure):
            desk.stop_for_disk(str(failure))
        logger.exception("%s stays unfinished", job.key)


def take_in(desk: Desk, job: Job, result: dict[str, Any]) -> bool:
    """Passes a worker's message to the desk; False where the worker should stop."""
    if not desk.is_live(job):
        return False
    message = result["message"][0]
    if why := message.get("disk_full"):
        desk.stop_for_disk(why)
        return False
    for epoch in message["epochs"]:
        if not desk.epoch(job, Epoch(**epoch)):
            return False
    if outcome := message.get("outcome"):
        desk.end(job, Outcome(outcome), final=message.get("final"), error=message.get("error"))
        return False
    return True
