"""Keeps a sweep's disk in order while it runs: checkpoints that nobody needs go, off the hot path."""

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
from orchestrator.core.workspace import Workspace
from orchestrator.execution.job import KEY_PREFIX, EpochReport, Job, Study, job_key
from orchestrator.execution.median_run import median_run
from orchestrator.execution.open_trial_store import open_trial_store
from orchestrator.execution.retention import Kept, RetentionPolicy, TopK, TrialCheckpoint, removable
from orchestrator.execution.shared_trial_store import drop_parts, file_size
from orchestrator.execution.trial_dir import ASIDE
from orchestrator.execution.trial_store import TrialStore
from orchestrator.search.ledger import Ledger
from orchestrator.search.ledger_trial import LedgerTrial
from orchestrator.search.open_storage import open_storage, study_name
from orchestrator.search.outcome import Outcome

logger = logging.getLogger(__name__)

_REST = 20.0
"""So many times as long as it tended, the thread rests."""


@dataclass(frozen=True)
class RetentionLimits:
    """What a sweep may leave on its disk.

    Attributes:
        rule: what is kept of ended trials.
        budget: bytes of all its checkpoints and models; None for any.
        min_free: bytes that should stay free on the disk that holds them; a storage's is its owner's affair.
    """

    rule: RetentionPolicy
    budget: int | None = None
    min_free: int = 0


@dataclass(frozen=True)
class _Known:
    """A trial, as the ledger or a watcher's call told of it; `source` and `split` are a confirm run's."""

    study: Study
    number: int
    params: Mapping[str, Any]
    source: str | None
    split: int
    outcome: Outcome | None = None
    objective: float | None = None


class CheckpointGarbageCollector:
    """Watches a sweep and, in a thread of its own, removes what its limits do not keep whenever a trial ends.

    It learns the trials from the ledgers once and from what it is told after that; of a finished trial's folder it
    looks at the sizes once.

    Args:
        store: where the trials' workers save their files.
        trials: folder of the driver that holds a folder a trial; parts are removed from there as well.
        limits: what may stay.
        splits: confirm runs a configuration has.
        ledgers: study → its ledger.
        interval: seconds between looks at the free disk.
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
        self._podiums: dict[Study, TopK] = {}
        for key in self._known:
            self._rank(key)
        self._sizes: dict[str, dict[Kept, int]] = {}
        self._lock = threading.Lock()
        self._tending = threading.Lock()
        self._changed, self._closing = True, threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="caretaker", daemon=True)

    # As a watcher

    def on_job_start(self, job: Job) -> None:
        """Nothing of it may go from now on."""
        with self._lock:
            self._known.setdefault(job.key, _from_job(job))

    def on_epoch(self, job: Job, epoch: EpochReport) -> None:
        """Its best objective so far."""
        with self._lock:
            known = self._known.setdefault(job.key, _from_job(job))
            # Written so that a NaN is never the best.
            if known.objective is None or epoch.objective > known.objective:
                finite = epoch.objective == epoch.objective
                self._known[job.key] = replace(known, objective=epoch.objective if finite else known.objective)

    def on_job_end(self, job: Job, outcome: Outcome, final: dict[str, float], error: str | None) -> None:
        """Now the rule holds for it."""
        with self._lock:
            known = self._known.setdefault(job.key, _from_job(job))
            objective = final.get("best_val_srcc", known.objective)
            self._known[job.key] = replace(known, outcome=outcome, objective=objective)
            self._rank(job.key)
            self._changed = True
        self._wake.set()

    def on_job_interrupted(self, job: Job) -> None:
        """It goes on later, so everything of it stays."""

    def on_message(self, job: Job, note: str) -> None:
        """What people are told is no business of the disk's."""

    def keeps(self, job: Job, outcome: Outcome) -> bool:
        """Whether a job that ends, or has just ended, is one whose files are worth sending to MLflow.

        Complete confirm runs and baselines are, unless nothing is kept; of the searches, complete and pruned trials
        under "all" and "last", those among the K best so far under "best:K".
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
            return self._podium(job.study).has_room_for(_holding(job.key, known, False, {}))

    def _podium(self, study: Study) -> TopK:
        return self._podiums.setdefault(study, TopK(self._limits.rule.k))

    def _rank(self, key: str) -> None:
        """Counts an ended trial among the best of its study where it is one: asked for at every end, so not anew."""
        known = self._known[key]
        if self._limits.rule.what == "best" and known.study != "confirm":
            self._podium(known.study).add(_holding(key, known, False, {}))

    # At work

    def start(self) -> None:
        """Begins to watch over the disk."""
        self._thread.start()

    def close(self) -> None:
        """Tends once more and ends."""
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
                logger.exception("the sweep's disk was not tended")
            if last:
                return
            # It goes through every trial: where those are many, it is not to take the driver's time at every end.
            self._closing.wait(_REST * (time.monotonic() - began))

    def collect(self) -> int:
        """Removes what may go now; gives the bytes that became free."""
        with self._tending:
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
                    self._changed = True  # to be done again when the storage is back
                raise
            if short > 0 and freed:
                logger.warning("the disk of %s is nearly full: retention freed %s", self._trials, format_bytes(freed))
            return freed

    def _free_up(self, known: Mapping[str, _Known], short: int) -> int:
        """Removes what rule and budget do not keep, and more where the disk is `short` of bytes; what became free."""
        holdings = self._holdings(known)
        budget = self._limits.budget
        if short > 0:
            room = _total(holdings) - short
            budget = room if budget is None else min(budget, room)
        return sum(self._remove(key, parts) for key, parts in removable(holdings, self._limits.rule, budget).items())

    def _holdings(self, known: Mapping[str, _Known]) -> list[TrialCheckpoint]:
        needed = _needed(known, self._splits)
        holdings = []
        for key, one in known.items():
            sizes = self._sizes[key] if key in self._sizes else self._measured(key, one)
            if one.outcome is not None:
                self._sizes[key] = sizes
            holdings.append(_holding(key, one, key in needed, sizes))
        return holdings

    def _measured(self, key: str, one: _Known) -> dict[Kept, int]:
        # Nothing of an unfinished trial may go; its size matters to a budget only.
        unasked = one.outcome is None and self._limits.budget is None
        return {} if unasked else self._store.sizes(key)

    def _remove(self, key: str, parts: frozenset[Kept]) -> int:
        freed = self._store.drop(key, parts)
        drop_parts(self._trials / key, parts)  # a fetched copy
        self._sizes[key] = self._store.sizes(key)
        return freed


def collect_garbage(workspace: Workspace) -> int:
    """Removes what a sweep's limits do not keep, and what was set aside; gives the bytes that became free.

    The caller holds the sweep's lease.
    """
    import optuna

    spec = load_spec(workspace.spec)
    storage = open_storage(spec.ledger, workspace.ledger)
    there = set(optuna.study.get_all_study_names(storage))
    names = {study: study_name(spec.ledger, spec.id, study) for study in KEY_PREFIX}
    ledgers = {study: Ledger(storage, name, None) for study, name in names.items() if name in there}
    store = open_trial_store(spec, workspace)
    collector = CheckpointGarbageCollector(store, workspace.trials, limits_of(spec), spec.splits, ledgers)
    freed = collector.collect()
    for folder in workspace.trials.glob(f"*{ASIDE}*"):
        freed += sum(file_size(path) for path in folder.rglob("*") if path.is_file())
        shutil.rmtree(folder, ignore_errors=True)
    return freed


def limits_of(spec: SweepSpec) -> RetentionLimits:
    """What a sweep's settings allow."""
    return RetentionLimits(RetentionPolicy.parse(spec.keep), spec.keep_bytes, spec.min_free)


def _from_ledger(study: Study, trial: LedgerTrial) -> _Known:
    objective = (trial.attributes.get("final") or {}).get("best_val_srcc", trial.objective)
    source, split = trial.attributes.get("source"), trial.attributes.get("split", 0)
    return _Known(study, trial.number, trial.params, source, split, trial.outcome, objective)


def _from_job(job: Job) -> _Known:
    return _Known(job.study, job.number, job.params, job.source, job.split)


def _holding(key: str, one: _Known, needed: bool, sizes: Mapping[Kept, int]) -> TrialCheckpoint:
    return TrialCheckpoint(key, one.study, one.number, one.outcome, one.objective, one.params, needed, sizes)


def _needed(known: Mapping[str, _Known], splits: int) -> set[str]:
    """Confirm runs whose model stands for their configuration; while some are missing, it may be any of them."""
    groups: dict[str | None, list[tuple[str, _Known]]] = {}
    for key, one in known.items():
        if one.study == "confirm":
            groups.setdefault(one.source, []).append((key, one))
    needed: set[str] = set()
    for runs in groups.values():
        if len(runs) < splits or any(one.outcome is None for _, one in runs):
            needed |= {key for key, _ in runs}
            continue
        complete = sorted((one.split, key, one) for key, one in runs if one.outcome is Outcome.COMPLETE)
        needed |= {median_run({key: one.objective or 0.0 for _, key, one in complete}) or ""}
    return needed


def _total(holdings: Iterable[TrialCheckpoint]) -> int:
    return sum(sum(holding.sizes.values()) for holding in holdings)
