"""Run of a sweep: from a prepared spec through features, search and confirm runs to its result."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from rich.console import Console

from orchestrator.core.code_digest import code_digest
from orchestrator.core.errors import InputError
from orchestrator.core.object_store import ObjectStoreUnavailable
from orchestrator.core.sweep_folder import Workspace
from orchestrator.execution.callback_interface import SweepCallback
from orchestrator.execution.controller import SweepController
from orchestrator.execution.open_trial_store import open_trial_store
from orchestrator.execution.prepare import PreparedSweep
from orchestrator.execution.progress import SweepProgress
from orchestrator.execution.progress_snapshot import Phase
from orchestrator.execution.session_thread import SessionThread
from orchestrator.execution.snapshot_file import SnapshotPublisher
from orchestrator.execution.sweep_monitor import SweepMonitor
from orchestrator.execution.trial_store import TrialStore
from orchestrator.reporting.live_view import LiveView, ScreenMaker
from orchestrator.sweeps.background_services import monitored_controller, report_page, upload_services
from orchestrator.sweeps.conclude import conclude
from orchestrator.sweeps.interruption_errors import SweepInterrupted, SweepStopped
from orchestrator.sweeps.notifier import Notifier
from orchestrator.sweeps.request_poller import RequestPoller
from orchestrator.sweeps.run_setup import (
    SweepProcess,
    SweepRecords,
    distribute,
    open_records,
    read_data,
    sweep_title,
)
from orchestrator.sweeps.signals import SignalHandler
from orchestrator.sweeps.trial_requests import TrialRequestHandler
from orchestrator.tracking.reconcile_spool_with_ledger import reconcile
from orchestrator.tracking.uploader_process import UploaderProcess

_PAUSE = 0.2
"""Seconds between two looks for a request while the sweep is paused."""


def execute_sweep(
    prepared: PreparedSweep,
    workspace: Workspace,
    console: Console,
    signals: SignalHandler,
    ray_lost: Callable[[str], None],
    requests: RequestPoller,
    session: SessionThread,
    notifier: Notifier,
    make_callbacks: Callable[[SweepMonitor], Sequence[SweepCallback]] | None = None,
    make_screen: ScreenMaker | None = None,
    shows_result: bool = True,
) -> dict[str, Any]:
    """Run or resume a sweep; return its result, which is also in `result.json`.

    Args:
        prepared: the sweep, checked.
        workspace: its folder.
        console: terminal for progress and tables.
        signals: installed handler of SIGINT and SIGTERM.
        ray_lost: called from a thread, with a sentence, if the cluster is gone; the process soon ends.
        requests: handles the requests of other terminals.
        session: session of the executor that runs its jobs; the caller closes it.
        notifier: sends notifications.
        make_callbacks: returns callbacks that are called after those of the sweep itself.
        make_screen: as of `LiveView`.
        shows_result: print the result at the end.

    Raises:
        InputError: the cluster cannot run it, or an encoder is missing.
        SweepInterrupted: SIGINT or SIGTERM came; everything up to the last epoch is on disk.
        SweepStopped: a full disk, a lost ledger, or the same error in every trial.
    """
    code_digest()  # computed before the features take minutes, in which code may change
    spec = prepared.spec
    monitor = SweepMonitor(spec.name, sweep_title(prepared), signals.stopping.is_set, Phase.FEATURES)
    view = LiveView(console, monitor, lambda: signals.insisted, make_screen)
    with view, SnapshotPublisher(workspace, monitor):
        if signals.force_exit:
            signals.force_exit = _after_closing(view, signals.force_exit)
        callbacks = tuple(make_callbacks(monitor)) if make_callbacks else ()
        began = time.monotonic()
        process = SweepProcess(
            *(workspace, console, signals, session.executor, began, monitor, view, requests),
            notifier=notifier,
            callbacks=callbacks,
            shows_result=shows_result,
        )
        session.start()
        store = open_trial_store(spec, workspace)
        data = read_data(prepared, store, view.count)
        _check_store(store)
        process.view.enter(Phase.CONNECTING)
        session.wait()
        with session.executor.liveness(spec, _after_closing(view, ray_lost)):
            records = open_records(process, prepared, distribute(data, prepared))
            with upload_services(process, records) as uploader, report_page(process, records) as page:
                progress = run_trials(process, records, uploader)
                return conclude(process, records, uploader, progress, page)


def _after_closing(view: LiveView, end: Callable[[str], None]) -> Callable[[str], None]:
    """Return a function that ends the process once the live screen is removed, so that its sentence is the last."""

    def close_and_end(sentence: str) -> None:
        view.close()
        end(sentence)

    return close_and_end


def run_trials(process: SweepProcess, records: SweepRecords, uploader: UploaderProcess) -> SweepProgress:
    """Run every job that is left; return the progress once all have ended.

    Raises:
        SweepInterrupted: a signal came.
        SweepStopped: the controller stopped the sweep.
    """
    downloader = records.downloader
    process.view.enter(Phase.WORKERS)
    with monitored_controller(process, records, uploader) as (controller, progress):
        downloader.before(controller.known())
        progress.load_known(controller.known())
        reconcile(records.recorder, controller.known(), process.workspace.trials)
        handler = TrialRequestHandler(controller, records.recorder, records.studies.arms, process.notify)
        with process.signals.defer(), process.requests.handling(handler.handle, controller.calls):
            run_jobs_with_pauses(process, controller, records)
        controller.interrupt()
    if controller.finished():
        downloader.after(controller.known(), records.recorder.upload_checkpoint)
    if controller.stopped_because:
        raise SweepStopped(controller.stopped_because)
    if not controller.finished():
        raise SweepInterrupted
    return progress


def run_jobs_with_pauses(process: SweepProcess, controller: SweepController, records: SweepRecords) -> None:
    """Run the jobs; while the sweep is paused, wait without a run of the executor, so that every slot is free."""
    spec = records.prepared.spec
    while True:
        process.executor.run_jobs(
            controller, records.context, process.workspace.tune, spec.cpus_per_trial or 1.0, spec.gpus
        )
        if not controller.suspending or controller.stopping.is_set() or controller.finished():
            return
        while controller.slots.paused and not controller.stopping.is_set():
            controller.calls.run_pending()
            # Not Event.wait: a signal that sets the event while this thread has its lock would wait forever.
            time.sleep(_PAUSE)
        if controller.stopping.is_set():
            return
        controller.end_suspension()


def _check_store(store: TrialStore) -> None:
    try:
        store.check()
    except ObjectStoreUnavailable as error:
        raise InputError(str(error)) from error
