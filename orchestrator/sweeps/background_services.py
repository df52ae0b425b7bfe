"""Services of a running sweep, as two contexts: uploads around all of it, monitors around its trials."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from orchestrator.cluster.process_registry import cluster_address
from orchestrator.core.errors import LedgerUnavailable
from orchestrator.core.object_store import ObjectStoreUnavailable
from orchestrator.execution.callback_interface import order_callbacks
from orchestrator.execution.controller import SweepController
from orchestrator.execution.first_epoch_trigger import FirstEpochTrigger
from orchestrator.execution.plan import job_budget, make_plan
from orchestrator.execution.progress import SweepProgress
from orchestrator.execution.sweep_heartbeat import HeartbeatPublisher, read_heartbeats
from orchestrator.execution.sweep_slot_sharing import SlotSharing
from orchestrator.execution.watchdog import HangWatchdog
from orchestrator.reporting.page.page_process import PageProcess
from orchestrator.sweeps.interruption_errors import SweepInterrupted, SweepStopped
from orchestrator.sweeps.run_setup import SweepProcess, SweepRecords
from orchestrator.tracking.orphaned_runs import close_orphans
from orchestrator.tracking.recorder import SWEEP
from orchestrator.tracking.sweep_run import report_pending
from orchestrator.tracking.uploader_process import UploaderProcess

_UPLOAD_DELAY = 15.0
"""Seconds within which uploads begin if no trial has had an epoch before."""

_INTERRUPTIONS = (SweepInterrupted, SweepStopped, LedgerUnavailable, ObjectStoreUnavailable, KeyboardInterrupt)


@contextmanager
def upload_services(process: SweepProcess, records: SweepRecords) -> Iterator[UploaderProcess]:
    """Run the uploader and the checkpoint garbage collector; record it if the sweep is interrupted.

    Raises:
        SweepStopped: the ledger or the storage did not answer inside the context.
    """
    uploader, recorder = UploaderProcess(records.spool, delay=_UPLOAD_DELAY), records.recorder
    uploader.start()
    close_orphans(process.workspace)
    records.collector.start()
    try:
        yield uploader
    except _INTERRUPTIONS as error:
        recorder.record("tags", SWEEP, tags={"outcome": "interrupted"})
        recorder.record("end", SWEEP, status="KILLED")
        if isinstance(error, LedgerUnavailable | ObjectStoreUnavailable):
            raise SweepStopped(str(error)) from error
        raise
    finally:
        records.collector.close()
        report_pending(process.console, records.spool, uploader, records.target.tracking_uri)


@contextmanager
def report_page(process: SweepProcess, records: SweepRecords) -> Iterator[PageProcess]:
    """Run the process that writes the report page."""
    spec, slots = records.prepared.spec, records.slots.count
    page = PageProcess(process.workspace, slots * (spec.cpus_per_trial or 1.0))
    page.start()
    try:
        yield page
    finally:
        page.close()


@contextmanager
def monitored_controller(
    process: SweepProcess, records: SweepRecords, uploader: UploaderProcess
) -> Iterator[tuple[SweepController, SweepProgress]]:
    """Return the sweep's controller and progress, with watchdog, heartbeat and slot sharing running."""
    prepared, slots, studies = records.prepared, records.slots, records.studies
    spec, workspace = prepared.spec, process.workspace
    progress = SweepProgress(budget=job_budget(spec, studies.arms), epochs=spec.epochs, slots=slots)
    plan, stopping = make_plan(spec, process.began), process.signals.stopping
    controller = SweepController(plan, studies.arms, studies.confirm, stopping=stopping, slots=slots)
    controller.mark_running = progress.mark_running
    limit, store = (spec.max_epoch_minutes or 0) * 60 or None, records.context.store
    watchdog = HangWatchdog(workspace.trials, controller.report_hang, limit, store=store)
    if best := studies.arms[0].ledger.best(1):
        process.notifier.know_best(best[0].objective)
    controller.add_callbacks(
        order_callbacks(
            downloader=records.downloader,
            recorder=records.recorder,
            progress=progress,
            view=process.view,
            watchdog=watchdog,
            notifier=process.notifier,
            collector=records.collector,
        )
    )
    controller.add_callbacks([FirstEpochTrigger(uploader.begin), *process.callbacks])
    heartbeat = HeartbeatPublisher(spec, workspace, progress, slots, cluster_address(spec.address) is not None)
    process.monitor.show_runs(progress, {arm.study: arm.space for arm in studies.arms})
    with watchdog, heartbeat, _slot_sharing(process, records, progress, controller):
        yield controller, progress


def _slot_sharing(
    process: SweepProcess, records: SweepRecords, progress: SweepProgress, controller: SweepController
) -> SlotSharing:
    from orchestrator.execution.resources import count_slots

    spec = records.prepared.spec
    return SlotSharing(
        spec,
        records.slots,
        progress,
        count_slots(spec, process.executor.nodes),
        controller.excluded_nodes,
        read_heartbeats if cluster_address(spec.address) else tuple,
    )
