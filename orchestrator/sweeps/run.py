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

from orchestrator.cluster.process_registry import cluster_address
from orchestrator.core.code_digest import code_digest
from orchestrator.core.errors import InputError, LedgerUnavailable
from orchestrator.core.object_store import ObjectStoreUnavailable
from orchestrator.core.spec import SweepSpec
from orchestrator.core.workspace import Workspace
from orchestrator.execution.callbacks import SweepCallback
from orchestrator.execution.controller import SweepController
from orchestrator.execution.heartbeat import HeartbeatPublisher
from orchestrator.execution.open_trial_store import open_trial_store
from orchestrator.execution.plan import Plan
from orchestrator.execution.prepare import PreparedSweep, extract_cross_test, extract_features
from orchestrator.execution.progress import SweepProgress
from orchestrator.execution.trial_download import TrialDownloader
from orchestrator.execution.trial_store import TrialStore
from orchestrator.execution.watchdog import HangWatchdog
from orchestrator.reporting.live_view import FeatureProgress, LiveView
from orchestrator.sweeps.signals import SignalHandler
from orchestrator.sweeps.studies import SweepStudies, open_studies
from orchestrator.tracking.destination import settle_target
from orchestrator.tracking.orphaned_runs import close_orphans
from orchestrator.tracking.reconcile import reconcile
from orchestrator.tracking.recorder import SWEEP, Recorder
from orchestrator.tracking.spool import Spool
from orchestrator.tracking.spool_index import index_spool
from orchestrator.tracking.staged_artifacts import remove_stale
from orchestrator.tracking.sweep_run import (
    device_of,
    job_tags,
    log_sweep_end,
    log_sweep_start,
    mlflow_ids,
    report_pending,
)
from orchestrator.tracking.uploader_process import UploaderProcess

if TYPE_CHECKING:
    from orchestrator.data import FeatureSet
    from orchestrator.execution.cross_dataset_eval import CrossDatasetEval
    from orchestrator.execution.sweep_context import SweepContext

logger = logging.getLogger(__name__)


class Interrupted(Exception):
    """The sweep was stopped by a signal and can go on."""


class Stopped(Exception):
    """The sweep stopped itself for a reason outside of it, in one sentence, and can go on once that is mended."""


def execute_sweep(
    prepared: PreparedSweep,
    workspace: Workspace,
    console: Console,
    signals: SignalHandler,
    ray_lost: Callable[[str], None],
) -> dict[str, Any]:
    """Runs the sweep to its end, or on from where it stopped; returns its result, which is also in `result.json`.

    Args:
        prepared: the sweep, checked.
        workspace: its folder.
        console: for progress and tables.
        signals: has taken over the signals.
        ray_lost: told from a thread, in a sentence, that Ray is gone; the process does not live much longer.

    Raises:
        InputError: the cluster cannot run it, or an encoder is missing.
        Interrupted: SIGINT or SIGTERM came; everything up to the last epoch is on disk.
        Stopped: a full disk, a lost ledger, or the same error in every trial.
    """
    from orchestrator.cluster.data_placement import distribute_features
    from orchestrator.execution.checkpoint_gc import CheckpointGarbageCollector, limits_of
    from orchestrator.execution.resources import allocate_resources, count_slots
    from orchestrator.execution.tune_runner import run_jobs
    from orchestrator.reporting.run_description import describe_beginning

    spec = prepared.spec
    began = time.monotonic()
    code_digest()  # now, and not after the features: it is kept
    features, cross = _features(prepared, console)
    store = open_trial_store(spec, workspace)
    _check_store(store)
    with _session(spec, signals, ray_lost):
        if cluster_address(spec.address):
            sets = [features, cross.features] if cross else [features]
            features, *others = distribute_features(sets, store.objects)
            cross = replace(cross, features=others[0]) if cross else None
        spool = Spool(workspace.spool)
        told = index_spool(spool)
        remove_stale(spool.folder, told.kept)
        say = _log_and_print(console)
        studies = open_studies(prepared, workspace, told, say, signals.stopping)
        task = _task(prepared, features, cross, workspace, store)
        if cluster_address(spec.address):
            task = replace(task, code=code_digest())  # hosts that join later have to have it as well
        prepared, task, fitting = allocate_resources(prepared, task, studies.arms, say)
        spec = prepared.spec
        target = settle_target(spec, spool)
        collector = CheckpointGarbageCollector(store, workspace.trials, limits_of(spec), spec.splits, studies.ledgers)
        downloader = TrialDownloader(store, workspace.trials, collector.keeps)
        recorder = Recorder(spool, workspace.trials, job_tags(prepared, features), told, collector.keeps)
        log_sweep_start(prepared, workspace, recorder, describe_beginning(prepared))
        for warning in spool.warnings:
            say(warning)
        uploader = UploaderProcess(spool)
        uploader.start()
        close_orphans(workspace)
        collector.start()
        try:
            slots = min(fitting, spec.concurrency or fitting)
            progress = SweepProgress(budget=_budget(prepared), epochs=spec.epochs, slots=slots)
            title = f"{spec.name}: {spec.variant} on {prepared.dataset.name}, {' and '.join(prepared.targets)}"
            minutes = spec.max_epoch_minutes
            watchdog = HangWatchdog(workspace.trials, minutes * 60 if minutes else None, store=store)
            heartbeat = HeartbeatPublisher(
                spec, workspace, progress, cluster_address(spec.address) is not None, count_slots(spec)
            )
            with LiveView(console, progress, title) as view, watchdog, heartbeat:
                callbacks: list[SweepCallback] = [downloader, recorder, progress, view, watchdog, collector]
                controller = SweepController(
                    _plan(spec, began), studies.arms, studies.confirm, callbacks, signals.stopping
                )
                watchdog.controller = controller
                heartbeat.guide(controller)
                downloader.before(controller.known())
                progress.load_finished(controller.known())
                reconcile(recorder, controller.known(), workspace.trials)
                with signals.defer():
                    run_jobs(controller, task, workspace.tune, slots, spec.cpus_per_trial or 1.0, spec.gpus)
                controller.interrupt()
            if controller.finished():
                downloader.after(controller.known(), recorder.files)
            if controller.stopped_because:
                raise Stopped(controller.stopped_because)
            if not controller.finished():
                raise Interrupted
            return _conclude(
                prepared, workspace, studies, recorder, uploader, progress, target.tracking_uri, began, console
            )
        except (Interrupted, Stopped, LedgerUnavailable, ObjectStoreUnavailable, KeyboardInterrupt) as error:
            recorder.record("tags", SWEEP, tags={"outcome": "interrupted"})
            recorder.record("end", SWEEP, status="KILLED")
            if isinstance(error, LedgerUnavailable | ObjectStoreUnavailable):
                raise Stopped(str(error)) from error
            raise
        finally:
            collector.close()
            report_pending(console, spool, uploader, target.tracking_uri)


@contextmanager
def _session(spec: SweepSpec, signals: SignalHandler, lost: Callable[[str], None]) -> Iterator[None]:
    """The Ray session; a signal while it starts is heeded once it has: a half-started one crashes the process."""
    from orchestrator.cluster.liveness import lifeline_of_ray
    from orchestrator.cluster.session import ray_session

    with ExitStack() as stack:
        with signals.defer():
            session = ray_session(spec.address, spec.cpus_per_trial or 1.0, spec.gpus)
            stack.enter_context(session)
            signals.take_over()
        if signals.stopping.is_set():
            raise KeyboardInterrupt
        stack.enter_context(lifeline_of_ray(cluster_address(spec.address) is not None, lost))
        yield


def _check_store(store: TrialStore) -> None:
    try:
        store.check()
    except ObjectStoreUnavailable as error:
        raise InputError(str(error)) from error


def _log_and_print(console: Console) -> Callable[[str], None]:
    def say(sentence: str) -> None:
        logger.warning(sentence)
        console.print(sentence, style="yellow", highlight=False, markup=False, soft_wrap=True)

    return say


def _features(prepared: PreparedSweep, console: Console) -> tuple[FeatureSet, CrossDatasetEval | None]:
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


def _budget(prepared: PreparedSweep) -> int:
    spec = prepared.spec
    arms = 1 if prepared.control_space is None else 2
    confirm = (arms * min(spec.confirm, spec.trials) + 1) * spec.splits if spec.confirm else 0
    return arms * spec.trials + confirm


def _task(
    prepared: PreparedSweep,
    features: FeatureSet,
    cross: CrossDatasetEval | None,
    workspace: Workspace,
    store: TrialStore,
) -> SweepContext:
    from orchestrator.execution.sweep_context import make_context

    spec = prepared.spec
    return make_context(
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
        store=store,
    )


def _conclude(
    prepared: PreparedSweep,
    workspace: Workspace,
    studies: SweepStudies,
    recorder: Recorder,
    uploader: UploaderProcess,
    progress: SweepProgress,
    tracking_uri: str,
    began: float,
    console: Console,
) -> dict[str, Any]:
    """Sums up, draws, tells MLflow, and writes the result last: its presence says that the sweep is finished."""
    from orchestrator.reporting.figures import draw_figures
    from orchestrator.reporting.run_description import describe_result
    from orchestrator.reporting.summary import summarise
    from orchestrator.reporting.tables import print_pointers, print_result, write_tables

    with console.status("Summing up") if console.is_terminal else nullcontext():
        busy = progress.busy_share()
        summary = summarise(prepared, studies.arms, studies.confirm, workspace.trials)
        workspace.report.mkdir(exist_ok=True)
        write_tables(summary, workspace.report)
        draw_figures(summary, studies.arms, workspace)
        log_sweep_end(prepared, workspace, recorder, summary, describe_result(prepared, summary))
        uploader.close(timeout=120)
        result = summary.as_result()
        result["budget"] = prepared.spec.trials
        result["mlflow"] = mlflow_ids(prepared.spec, tracking_uri, uploader, result)
        result["slots"] = {"count": progress.slots, "busy_share": round(busy, 3)}
        result["seconds"] = round(time.monotonic() - began, 1)
    print_result(console, summary)
    print_pointers(console, workspace, result)
    workspace.result.write_text(json.dumps(result, indent=1, allow_nan=False) + "\n")
    return result
