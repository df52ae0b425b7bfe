"""Reconcile the spool with the ledgers.

The ledger is written first and the spool after it. A kill between the two, or a damaged line, leaves the spool behind.
Missing events are added again; an epoch has its original time, which is in the job's own log of epochs.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from orchestrator.core.training_files import EPOCHS
from orchestrator.execution.epoch_log import EpochLog
from orchestrator.execution.job import EpochReport, Job
from orchestrator.search.ledger_trial import LedgerTrial
from orchestrator.search.outcome import Outcome
from orchestrator.tracking.recorder import STATUS, Recorder


def reconcile(recorder: Recorder, known: Iterable[tuple[Job, LedgerTrial]], trials: Path) -> int:
    """Record what the spool lacks; to be called before any job runs.

    Args:
        recorder: with the index of its spool.
        known: every trial that the ledgers have handed out, with its job.
        trials: folder with one folder per job.

    Returns:
        Number of runs with missing events.
    """
    return sum(_complete_run(recorder, job, trial, trials / job.key / EPOCHS) for job, trial in known)


def _complete_run(recorder: Recorder, job: Job, trial: LedgerTrial, epoch_log: Path) -> bool:
    """Record the missing events of a run; return whether there were any."""
    run = recorder.spooled(job.key)
    changed = False
    if run.start is None:
        recorder.on_job_start(job)
        changed = True
    missing = sorted(trial.epochs.keys() - run.steps)
    logged = EpochLog(epoch_log).undamaged() if missing else {}
    for number in missing:
        recorder.on_epoch(job, logged.get(number) or _from_ledger(job, number, trial.epochs[number]), resent=True)
        changed = True
    if trial.outcome is not None and not _is_ended(recorder, job, trial):
        attributes = trial.attributes
        if by := attributes.get("stopped_by"):
            recorder.note_stop(job.key, by)
        recorder.on_job_end(job, trial.outcome, attributes.get("final") or {}, attributes.get("error"), resent=True)
        changed = True
    return changed


def _is_ended(recorder: Recorder, job: Job, trial: LedgerTrial) -> bool:
    run = recorder.spooled(job.key)
    outcome = trial.outcome or Outcome.FAILED
    final = recorder.logged_metrics(job, trial.attributes.get("final") or {})
    return (
        run.status == STATUS[outcome] and run.tags.get("outcome") == str(outcome) and final.items() <= run.final.items()
    )


def _from_ledger(job: Job, number: int, objective: float) -> EpochReport:
    """Return an epoch of which only the ledger's objective is left; the objective of baselines is not a curve."""
    metrics = {"val_srcc": objective} if job.variant else {}
    return EpochReport(number, objective, metrics, seconds=0.0, time=0.0)
