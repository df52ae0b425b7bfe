"""Conducting a sweep: from a prepared spec through features, search and confirm to its result."""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rich.console import Console

from orchestrator.sweeps.studies import Books, open_books
from orchestrator.core.errors import InputError, LedgerLost
from orchestrator.execution.controller import Desk
from orchestrator.execution.trial_download import Fetching
from orchestrator.sweeps.signals import Interruption
from orchestrator.execution.plan import Plan
from orchestrator.execution.trial_store import TrialStorage, trials_of
from orchestrator.execution.watchdog import Warden
from orchestrator.execution.callbacks import Watcher
from orchestrator.cluster.process_registry import joined
from orchestrator.execution.prepare import Prepared, extract_cross_test, extract_features
from orchestrator.tracking.sweep_run import (
    device_of,
    job_tags,
    mlflow_ids,
    record_beginning,
    record_end,
    say_what_waits,
)
from orchestrator.execution.heartbeat import Presence
from orchestrator.execution.progress import Tally
from orchestrator.reporting.live_view import FeatureProgress, TerminalView
from orchestrator.core.code_digest import code_digest
from orchestrator.core.spec import SweepSpec
from orchestrator.core.object_store import StorageAway
from orchestrator.tracking.uploader_process import Courier
from orchestrator.tracking.staged_artifacts import tidy
from orchestrator.tracking.orphaned_runs import close_orphans
from orchestrator.tracking.reconcile import reconcile
from orchestrator.tracking.recorder import SWEEP, Recorder
from orchestrator.tracking.spool import Spool
from orchestrator.tracking.destination import settle_target
from orchestrator.tracking.spool_index import what_was_told
from orchestrator.core.workspace import Workspace

if TYPE_CHECKING:
    from orchestrator.data import FeatureSet
    from orchestrator.execution.cross_dataset_eval import CrossTest
    from orchestrator.execution.sweep_context import SweepTask

logger = logging.getLogger(__name__)


class Interrupted(Exception):
    """The sweep was stopped by a signal and can go on."""


class Stopped(Exception):
    """The sweep stopped itself for a reason outside of it, in one sentence, and can go on once that is mended."""


def conduct(
    prepared: Prepared,
    workspace: Workspace,
    console: Console,
    interruption: Interruption,
    ray_lost: Callable[[str], None],
) -> dict[str, Any]:
    """Runs the sweep to its end, or on from where it stopped; returns its result, which is also in `result.json`.

    Args:
        prepared: the sweep, checked.
        workspace: its folder.
        console: for progress and tables.
        interruption: has taken over the signals.
        ray_lost: told from a thread, in a sentence, that Ray is gone; the process does not live much longer.

    Raises:
        InputError: the cluster cannot run it, or an encoder is missing.
        Interrupted: SIGINT or SIGTERM came; everything up to the last epoch is on disk.
        Stopped: a full disk, a lost ledger, or the same error in every trial.
    """
    from orchestrator.execution.resources import allot, room_for
    from orchestrator.execution.checkpoint_gc import Caretaker, limits_of
    from orchestrator.cluster.data_placement import place
    from orchestrator.execution.tune_runner import run_jobs

    spec = prepared.spec
    began = time.monotonic()
    code_digest()  # now, and not after the features: it is kept
    features, cross = _features(prepared, console)
    storage = trials_of(spec.storage_path, spec.name, spec.id)
    if storage:
        _check_storage(storage)
    with _session(spec, interruption, ray_lost):
        if joined(spec.address):
            features, cross = place(features, cross, workspace.trials, storage.storage if storage else None)
        spool = Spool(workspace.spool)
        told = what_was_told(spool)
        tidy(spool.folder, told.kept)
        say = _log_and_print(console)
        books = open_books(prepared, workspace, told, say, interruption.stopping)
        task = _task(prepared, features, cross, workspace, storage)
        if joined(spec.address):
            task = replace(task, code=code_digest())  # hosts that join later have to have it as well
        prepared, task, fitting = allot(prepared, task, books.arms, say)
        spec = prepared.spec
        target = settle_target(spec, spool)
        caretaker = Caretaker(workspace.trials, limits_of(spec), spec.splits, books.ledgers, storage=storage)
        fetching = Fetching(storage, workspace.trials, caretaker.keeps) if storage else None
        recorder = Recorder(spool, workspace.trials, job_tags(prepared, features), told, caretaker.keeps)
        record_beginning(prepared, workspace, recorder)
        for warning in spool.warnings:
            say(warning)
        courier = Courier(spool)
        courier.start()
        close_orphans(workspace)
        caretaker.start()
        try:
            slots = min(fitting, spec.concurrency or fitting)
            tally = Tally(budget=_budget(prepared), epochs=spec.epochs, slots=slots)
            title = f"{spec.name}: {spec.variant} on {prepared.dataset.name}, {' and '.join(prepared.targets)}"
            minutes = spec.max_epoch_minutes
            warden = Warden(workspace.trials, minutes * 60 if minutes else None, storage=storage)
            presence = Presence(spec, workspace, tally, joined(spec.address) is not None, room_for(spec))
            with TerminalView(console, tally, title) as view, warden, presence:
                fetched: list[Watcher] = [fetching] if fetching else []
                watchers: list[Watcher] = [*fetched, recorder, tally, view, warden, caretaker]
                desk = Desk(_plan(spec, began), books.arms, books.confirm, watchers, interruption.stopping)
                warden.desk = desk
                presence.guide(desk)
                if fetching:
                    fetching.before(desk.known())
                tally.knows(desk.known())
                reconcile(recorder, desk.known(), workspace.trials)
                with interruption.patient():
                    run_jobs(desk, task, workspace.tune, slots, spec.cpus_per_trial or 1.0, spec.gpus)
                desk.interrupt()
            if fetching and desk.finished():
                fetching.after(desk.known(), recorder.files)
            if desk.stopped_because:
                raise Stopped(desk.stopped_because)
            if not desk.finished():
                raise Interrupted
            return _conclude(prepared, workspace, books, recorder, courier, tally, target.tracking_uri, began, console)
        except (Interrupted, Stopped, LedgerLost, StorageAway, KeyboardInterrupt) as error:
            recorder.record("tags", SWEEP, tags={"outcome": "interrupted"})
            recorder.record("end", SWEEP, status="KILLED")
            if isinstance(error, LedgerLost | StorageAway):
                raise Stopped(str(error)) from error
            raise
        finally:
            caretaker.close()
            say_what_waits(console, spool, courier, target.tracking_uri)


@contextmanager
def _session(spec: SweepSpec, interruption: Interruption, lost: Callable[[str], None]) -> Iterator[None]:
    """The Ray session; a signal while it starts is heeded once it has: a half-started one crashes the process."""
    from orchestrator.cluster.liveness import lifeline_of_ray
    from orchestrator.cluster.session import ray_session

    with ExitStack() as stack:
        with interruption.patient():
            session = ray_session(spec.address, spec.cpus_per_trial or 1.0, spec.gpus)
            stack.enter_context(session)
            interruption.take_over()
        if interruption.stopping.is_set():
            raise KeyboardInterrupt
        stack.enter_context(lifeline_of_ray(joined(spec.address) is not None, lost))
        yield


def _check_storage(storage: TrialStorage) -> None:
    try:
        storage.storage.check()
    except StorageAway as error:
        raise InputError(str(error)) from error


def _log_and_print(console: Console) -> Callable[[str], None]:
    def say(sentence: str) -> None:
        logger.warning(sentence)
        console.print(sentence, style="yellow", highlight=False, markup=False, soft_wrap=True)

    return say


def _features(prepared: Prepared, console: Console) -> tuple[FeatureSet, CrossTest | None]:
    progress = FeatureProgress(console)
    try:
        return extract_features(prepared, progress), extract_cross_test(prepared, progress)
    finally:
        progress.close()


def _plan(spec: SweepSpec, began: float) -> Plan:
    seconds = spec.max_hours * 3600 - (time.monotonic() - began) if spec.max_hours else math.inf
    return Plan(
        trials=spec.trials,
        confirm=spec.confirm,
        splits=spec.splits,
        seed=spec.seed,
        epochs=spec.epochs,
        concurrency=spec.concurrency,
        deadline=time.time() + seconds,
    )


def _budget(prepared: Prepared) -> int:
    spec = prepared.spec
    arms = 1 if prepared.control_space is None else 2
    confirm = (arms * min(spec.confirm, spec.trials) + 1) * spec.splits if spec.confirm else 0
    return arms * spec.trials + confirm


def _task(
    prepared: Prepared,
    features: FeatureSet,
    cross: CrossTest | None,
    workspace: Workspace,
    storage: TrialStorage | None,
) -> SweepTask:
    from orchestrator.execution.sweep_context import make_task

    spec = prepared.spec
    return make_task(
        prepared.dataset,
        features,
        prepared.reads,
        prepared.encoders,
        prepared.targets,
        prepared.splits,
        workspace.trials,
        threads=spec.threads,
        device=device_of(spec),
        finetune=prepared.finetune,
        min_free=spec.min_free,
        cross=cross,
        storage=storage,
    )


def _conclude(
    prepared: Prepared,
    workspace: Workspace,
    books: Books,
    recorder: Recorder,
    courier: Courier,
    tally: Tally,
    tracking_uri: str,
    began: float,
    console: Console,
) -> dict[str, Any]:
    """Sums up, draws, tells MLflow, and writes the result last: its presence says that the sweep is finished."""
    from orchestrator.reporting.run_description import describe_result
    from orchestrator.reporting.figures import draw_figures
    from orchestrator.reporting.summary import summarise
    from orchestrator.reporting.tables import print_pointers, print_result, write_tables

    with console.status("Summing up") if console.is_terminal else nullcontext():
        busy = tally.busy_share()
        summary = summarise(prepared, books.arms, books.confirm, workspace.trials)
        workspace.report.mkdir(exist_ok=True)
        write_tables(summary, workspace.report)
        draw_figures(summary, books.arms, workspace)
        record_end(prepared, workspace, recorder, summary, describe_result(prepared, summary))
        courier.close(timeout=120)
        result = summary.as_result()
        result["budget"] = prepared.spec.trials
        result["mlflow"] = mlflow_ids(prepared.spec, tracking_uri, courier, result)
        result["slots"] = {"count": tally.slots, "busy_share": round(busy, 3)}
        result["seconds"] = round(time.monotonic() - began, 1)
    print_result(console, summary)
    print_pointers(console, workspace, result)
    workspace.result.write_text(json.dumps(result, indent=1, allow_nan=False) + "\n")
    return result
