"""Garbage collection of a sweep's checkpoints, in a thread while the sweep runs or by command afterwards."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from orchestrator.core.disk_space import format_bytes
from orchestrator.core.spec import SweepSpec, load_spec
from orchestrator.core.sweep_folder import Workspace
from orchestrator.execution.job import KEY_PREFIX, EpochReport, Job, Study, job_key
from orchestrator.execution.locked_trial_dir import ASIDE
from orchestrator.execution.median_run import median_run
from orchestrator.execution.open_trial_store import open_trial_store
from orchestrator.execution.retention import Kept, RetentionPolicy, TopK, TrialCheckpoint, removable
from orchestrator.execution.shared_trial_store import drop_parts, file_size
from orchestrator.execution.trial_store import TrialStore
from orchestrator.search.ledger import Ledger
from orchestrator.search.ledger_trial import LedgerTrial
from orchestrator.search.open_storage import find_studies, open_storage
from orchestrator.search.outcome import Outcome

logger = logging.getLogger(__name__)

_REST = 20.0
"""Pause of the thread, as a multiple of the time that its last collection took."""


@dataclass(frozen=True)
class RetentionLimits:
    """Limits of the space that a sweep takes.

    Attributes:
        rule: parts of ended trials that are kept.
        budget: bytes of all its checkpoints and models; None for no limit.
        min_free: bytes that should stay free in the store.
    """

    rule: RetentionPolicy
    budget: int | None = None
    min_free: int = 0


@dataclass(frozen=True)
class _Known:
    """A trial, read from the ledger or from a callback; `source` and `split` are those of a confirm run."""

    study: Study
    number: int
    params: Mapping[str, Any]
    source: str | None
    split: int
    outcome: Outcome | None = None
    objective: float | None = None


class CheckpointGarbageCollector:
    """Callback with a thread that, after a trial has ended, removes the parts that the limits do not keep.

    It reads the trials from the ledgers once and follows the callbacks after that. It measures an ended trial's folder
    once.

    Args:
        store: where the trials' workers save their files.
        trials: the driver's folder with a folder per trial; parts of fetched copies are removed there.
        limits: of the space.
        splits: number of confirm runs per configuration.
        ledgers: study → its ledger.
        interval: seconds between measurements of the free space.
    """

    def __init__(
        self,
        store: TrialStore,
        trials: Path,
        limits: RetentionLimits,
        splits: int,
        ledgers: Mapping[Study, Ledger],
        interval: float = 10.0,
    ) -> None:
        self._store = store
        self._trials = trials
        self._limits = limits
        self._splits = splits
        self._interval = interval
        self._known = {job_key(s, t.number): _from_ledger(s, t) for s, own in ledgers.items() for t in own.all()}
        self._best: dict[Study, TopK] = {}
        for key in self._known:
            self._rank(key)
        self._sizes: dict[str, dict[Kept, int]] = {}
        self._lock = threading.Lock()
        self._collecting = threading.Lock()
        self._changed, self._closing = True, threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="checkpoint-gc", daemon=True)

    # Callback

    def on_job_start(self, job: Job) -> None:
        """Note the trial: while it runs, nothing of it is removed."""
        with self._lock:
            self._known.setdefault(job.key, _from_job(job))

    def on_epoch(self, job: Job, epoch: EpochReport) -> None:
        """Note the trial's best objective."""
        with self._lock:
            known = self._known.setdefault(job.key, _from_job(job))
            # Written so that a NaN is never the best.
            if known.objective is None or epoch.objective > known.objective:
                finite = epoch.objective == epoch.objective
                self._known[job.key] = replace(known, objective=epoch.objective if finite else known.objective)

    def on_job_end(self, job: Job, outcome: Outcome, final: dict[str, float], error: str | None) -> None:
        """Note the outcome and wake the thread: the limits apply to the trial from now on."""
        with self._lock:
            known = self._known.setdefault(job.key, _from_job(job))
            objective = final.get("best_val_srcc", known.objective)
            self._known[job.key] = replace(known, outcome=outcome, objective=objective)
            self._rank(job.key)
            self._changed = True
        self._wake.set()

    def on_job_interrupted(self, job: Job) -> None:
        """Do nothing: the trial is resumed later, so all its parts stay."""

    def on_message(self, job: Job, note: str) -> None:
        """Ignore the message."""

    def keeps(self, job: Job, outcome: Outcome) -> bool:
        """Return whether the files of a job that has ended are sent to MLflow.

        They are for complete confirm runs and baselines, unless nothing is kept. Of the searches they are for complete
        and pruned trials under "all" and "last", and for the K best so far under "best:K".
        """
        rule = self._limits.rule
        if not job.variant:
            return True
        if rule.what == "none" or outcome not in {Outcome.COMPLETE, Outcome.PRUNED}:
            return False
        if job.study == "confirm":
            return outcome is Outcome.COMPLETE
        if rule.what != "best":
            return True
        with self._lock:
            known = replace(self._known.get(job.key) or _from_job(job), outcome=outcome)
            return self._top_k(job.study).has_room_for(_holding(job.key, known, False, {}))

    def _top_k(self, study: Study) -> TopK:
        return self._best.setdefault(study, TopK(self._limits.rule.k))

    def _rank(self, key: str) -> None:
        """Add an ended trial to the best of its study, so that `keeps` need not rank all trials each time."""
        known = self._known[key]
        if self._limits.rule.what == "best" and known.study != "confirm":
            self._top_k(known.study).add(_holding(key, known, False, {}))

    # Thread

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self) -> None:
        """Collect once more and end the thread."""
        self._closing.set()
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while True:
            self._wake.wait(self._interval)
            self._wake.clear()
            last = self._closing.is_set()
            began = time.monotonic()
            try:
                self.collect()
            except OSError:
                logger.exception("checkpoints were not collected")
            if last:
                return
            # A collection visits every trial: with many trials it must not take the driver's time after each.
            self._closing.wait(_REST * (time.monotonic() - began))

    def collect(self) -> int:
        """Remove what the limits do not keep; return the bytes freed."""
        with self._collecting:
            with self._lock:
                known, changed, self._changed = dict(self._known), self._changed, False
            if not self._trials.is_dir():
                return 0
            short = int(max(0.0, self._limits.min_free - self._store.free_bytes()))
            if not changed and not short and self._limits.budget is None:
                return 0
            try:
                freed = self._free_up(known, short)
            except OSError:
                with self._lock:
                    self._changed = True  # collect again when the store answers
                raise
            if short > 0 and freed:
                logger.warning("the disk of %s is nearly full: retention freed %s", self._trials, format_bytes(freed))
            return freed

    def _free_up(self, known: Mapping[str, _Known], short: int) -> int:
        """Remove what rule and budget do not keep, and more if the disk is `short` of bytes; return the bytes freed."""
        holdings = self._holdings(known)
        budget = self._limits.budget
        if short > 0:
            room = _total(holdings) - short
            budget = room if budget is None else min(budget, room)
        return sum(self._remove(key, parts) for key, parts in removable(holdings, self._limits.rule, budget).items())

    def _holdings(self, known: Mapping[str, _Known]) -> list[TrialCheckpoint]:
        needed = _needed(known, self._splits)
        holdings = []
        for key, trial in known.items():
            sizes = self._sizes[key] if key in self._sizes else self._measured(key, trial)
            if trial.outcome is not None:
                self._sizes[key] = sizes
            holdings.append(_holding(key, trial, key in needed, sizes))
        return holdings

    def _measured(self, key: str, trial: _Known) -> dict[Kept, int]:
        # Nothing of an unfinished trial is removed; its size matters to a budget only.
        unneeded = trial.outcome is None and self._limits.budget is None
        return {} if unneeded else self._store.sizes(key)

    def _remove(self, key: str, parts: frozenset[Kept]) -> int:
        freed = self._store.drop(key, parts)
        drop_parts(self._trials / key, parts)  # a fetched copy
        self._sizes[key] = self._store.sizes(key)
        return freed


def collect_garbage(workspace: Workspace) -> int:
    """Remove what a sweep's limits do not keep, and folders that were set aside; return the bytes freed.

    The caller holds the sweep's lock.
    """
    spec = load_spec(workspace.spec)
    storage = open_storage(spec.ledger, workspace.ledger)
    names = find_studies(storage, spec)
    ledgers = {study: Ledger(storage, names[study], None) for study in KEY_PREFIX if study in names}
    store = open_trial_store(spec, workspace)
    collector = CheckpointGarbageCollector(store, workspace.trials, limits_of(spec), spec.splits, ledgers)
    freed = collector.collect()
    for folder in workspace.trials.glob(f"*{ASIDE}*"):
        freed += sum(file_size(path) for path in folder.rglob("*") if path.is_file())
        shutil.rmtree(folder, ignore_errors=True)
    return freed


def limits_of(spec: SweepSpec) -> RetentionLimits:
    """Return the limits that a sweep's settings name."""
    return RetentionLimits(RetentionPolicy.parse(spec.keep), spec.keep_bytes, spec.min_free)


def _from_ledger(study: Study, trial: LedgerTrial) -> _Known:
    objective = (trial.attributes.get("final") or {}).get("best_val_srcc", trial.objective)
    source, split = trial.attributes.get("source"), trial.attributes.get("split", 0)
    return _Known(study, trial.number, trial.params, source, split, trial.outcome, objective)


def _from_job(job: Job) -> _Known:
    return _Known(job.study, job.number, job.params, job.source, job.split)


def _holding(key: str, trial: _Known, needed: bool, sizes: Mapping[Kept, int]) -> TrialCheckpoint:
    return TrialCheckpoint(key, trial.study, trial.number, trial.outcome, trial.objective, trial.params, needed, sizes)


def _needed(known: Mapping[str, _Known], splits: int) -> set[str]:
    """Return the confirm runs whose model represents their configuration; all of them until each has ended."""
    groups: dict[str | None, list[tuple[str, _Known]]] = {}
    for key, trial in known.items():
        if trial.study == "confirm":
            groups.setdefault(trial.source, []).append((key, trial))
    needed: set[str] = set()
    for runs in groups.values():
        if len(runs) < splits or any(run.outcome is None for _, run in runs):
            needed |= {key for key, _ in runs}
            continue
        complete = sorted((run.split, key, run) for key, run in runs if run.outcome is Outcome.COMPLETE)
        needed |= {median_run({key: run.objective or 0.0 for _, key, run in complete}) or ""}
    return needed


def _total(holdings: Iterable[TrialCheckpoint]) -> int:
    return sum(sum(holding.sizes.values()) for holding in holdings)
