"""Makes the spool say all that the ledgers know.

The ledger is written first, the spool after it: a kill between the two, or a line damaged on disk, leaves the spool
behind. What it lacks is told again, an epoch with the time it had, from the job's own record of its epochs.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from orchestrator.core.run_files import EPOCHS
from orchestrator.execution.epoch_log import EpochLog
from orchestrator.execution.job import EpochReport, Job
from orchestrator.search.ledger_trial import LedgerTrial
from orchestrator.search.outcome import Outcome
from orchestrator.tracking.recorder import STATUS, Recorder, finite_metrics
from orchestrator.tracking.spool_index import SpooledRun


def reconcile(recorder: Recorder, known: Iterable[tuple[Job, LedgerTrial]], trials: Path) -> int:
    """Tells the recorder what it has not been told; call it before any job runs.

    Args:
        recorder: with what its spool has told.
        known: every trial that the ledgers have handed out, with the job it is.
        trials: folder of the jobs' folders.

    Returns:
        How many runs lacked something.
    """
    return sum(_mend(recorder, job, trial, trials / job.key / EPOCHS) for job, trial in known)


def _mend(recorder: Recorder, job: Job, trial: LedgerTrial, history: Path) -> bool:
    told = recorder.told(job.key)
    mended = False
    if told.start is None:
        recorder.on_job_start(job)
        mended = True
    missing = sorted(trial.epochs.keys() - told.steps)
    found = EpochLog(history).legible() if missing else {}
    for number in missing:
        recorder.on_epoch(job, found.get(number) or _bare(job, number, trial.epochs[number]), retold=True)
        mended = True
    if trial.outcome is not None and not _is_ended(told, trial):
        attributes = trial.attributes
        recorder.on_job_end(job, trial.outcome, attributes.get("final") or {}, attributes.get("error"), retold=True)
        mended = True
    return mended


def _is_ended(told: SpooledRun, trial: LedgerTrial) -> bool:
    outcome = trial.outcome or Outcome.FAILED
    figures = finite_metrics(trial.attributes.get("final") or {})
    return (
        told.status == STATUS[outcome]
        and told.tags.get("outcome") == str(outcome)
        and figures.items() <= told.final.items()
    )


def _bare(job: Job, number: int, objective: float) -> EpochReport:
    """An epoch of which only the ledger's objective is left; what baselines are given as one is no curve."""
    metrics = {"val_srcc": objective} if job.variant else {}
    return EpochReport(number, objective, metrics, seconds=0.0, time=0.0)
