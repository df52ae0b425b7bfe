"""Run of a sweep: from a prepared spec through features, search and confirm runs to its result."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from rich.console import Console

from orchestrator.core.code_digest import code_digest
from orchestrator.core.errors import InputError
from orchestrator.core.object_store import ObjectStoreUnavailable
from orchestrator.core.spec import SweepSpec
from orchestrator.core.sweep_folder import Workspace
from orchestrator.execution.executor import Executor
from orchestrator.execution.open_trial_store import open_trial_store
from orchestrator.execution.prepare import PreparedSweep
from orchestrator.execution.progress import SweepProgress
from orchestrator.execution.progress_snapshot import Phase
from orchestrator.execution.snapshot_file import SnapshotPublisher
from orchestrator.execution.sweep_monitor import SweepMonitor
from orchestrator.execution.trial_store import TrialStore
from orchestrator.execution.tune_runner import RayTune
from orchestrator.reporting.live_view import LiveView
from orchestrator.sweeps.background_services import monitored_controller, report_page, upload_services
from orchestrator.sweeps.conclude import conclude
from orchestrator.sweeps.interruption_errors import SweepInterrupted, SweepStopped
from orchestrator.sweeps.run_setup import (
    SweepProcess,
    SweepRecords,
    distribute,
    open_records,
    read_data,
    sweep_title,
)
from orchestrator.sweeps.signals import SignalHandler
from orchestrator.tracking.reconcile_spool_with_ledger import reconcile


def execute_sweep(
    prepared: PreparedSweep,
    workspace: Workspace,
    console: Console,
    signals: SignalHandler,
    ray_lost: Callable[[str], None],
    executor: Executor | None = None,
) -> dict[str, Any]:
    """Run or resume a sweep; return its result, which is also in `result.json`.

    Args:
        prepared: the sweep, checked.
        workspace: its folder.
        console: terminal for progress and tables.
        signals: installed handler of SIGINT and SIGTERM.
        ray_lost: called from a thread, with a sentence, if the cluster is gone; the process soon ends.
        executor: runs its jobs; None for Ray Tune.

    Raises:
        InputError: the cluster cannot run it, or an encoder is missing.
        SweepInterrupted: SIGINT or SIGTERM came; everything up to the last epoch is on disk.
        SweepStopped: a full disk, a lost ledger, or the same error in every trial.
    """
    code_digest()  # computed before the features take minutes, in which code may change
    spec = prepared.spec
    monitor = SweepMonitor(spec.name, sweep_title(prepared), signals.stopping.is_set, Phase.FEATURES)
    with LiveView(console, monitor, lambda: signals.insisted) as view, SnapshotPublisher(workspace, monitor):
        if signals.force_exit:
            signals.force_exit = _after_closing(view, signals.force_exit)
        process = SweepProcess(workspace, console, signals, executor or RayTune(), time.monotonic(), monitor, view)
        store = open_trial_store(spec, workspace)
        data = read_data(prepared, store, view.count)
        _check_store(store)
        with _session(process, spec, _after_closing(view, ray_lost)):
            records = open_records(process, prepared, distribute(data, prepared))
            with upload_services(process, records) as uploader, report_page(process, records) as page:
                progress = run_trials(process, records)
                return conclude(process, records, uploader, progress, page)


def _after_closing(view: LiveView, end: Callable[[str], None]) -> Callable[[str], None]:
    """Return a function that ends the process once the live screen is removed, so that its sentence is the last."""

    def close_and_end(sentence: str) -> None:
        view.close()
        end(sentence)

    return close_and_end


def run_trials(process: SweepProcess, records: SweepRecords) -> SweepProgress:
    """Run every job that is left; return the progress once all have ended.

    Raises:
        SweepInterrupted: a signal came.
        SweepStopped: the controller stopped the sweep.
    """
    spec, downloader = records.prepared.spec, records.downloader
    process.view.enter(Phase.WORKERS)
    with monitored_controller(process, records) as (controller, progress):
        downloader.before(controller.known())
        progress.load_known(controller.known())
        reconcile(records.recorder, controller.known(), process.workspace.trials)
        with process.signals.defer():
            process.executor.run_jobs(
                controller, records.context, process.workspace.tune, spec.cpus_per_trial or 1.0, spec.gpus
            )
        controller.interrupt()
    if controller.finished():
        downloader.after(controller.known(), records.recorder.upload_checkpoint)
    if controller.stopped_because:
        raise SweepStopped(controller.stopped_because)
    if not controller.finished():
        raise SweepInterrupted
    return progress


@contextmanager
def _session(process: SweepProcess, spec: SweepSpec, lost: Callable[[str], None]) -> Iterator[None]:
    """Connect the executor; handle a signal once it is connected, since Ray crashes if its start is interrupted."""
    executor, signals = process.executor, process.signals
    process.view.enter(Phase.CONNECTING)
    with ExitStack() as stack:
        with signals.defer():
            stack.enter_context(executor.session(spec))
            signals.take_over()
        if signals.stopping.is_set():
            raise KeyboardInterrupt
        stack.enter_context(executor.liveness(spec, lost))
        yield


def _check_store(store: TrialStore) -> None:
    try:
        store.check()
    except ObjectStoreUnavailable as error:
        raise InputError(str(error)) from error
