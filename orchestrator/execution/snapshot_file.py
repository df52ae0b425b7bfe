"""File with the snapshot of a running sweep, in the sweep's folder: any process or host that sees it can show it."""

from __future__ import annotations

import logging
import threading

from orchestrator.core.atomic_files import write_file
from orchestrator.core.sweep_folder import Workspace
from orchestrator.execution.progress_snapshot import ProgressSnapshot
from orchestrator.execution.sweep_monitor import SweepMonitor

logger = logging.getLogger(__name__)

INTERVAL = 1.0
"""Seconds between two snapshots."""


class SnapshotPublisher:
    """Thread that writes a sweep's snapshot every second; use it as a context.

    An error is logged and does not stop the sweep.

    Args:
        workspace: folder of the sweep.
        monitor: state of the sweep.
    """

    def __init__(self, workspace: Workspace, monitor: SweepMonitor) -> None:
        self._workspace = workspace
        self._monitor = monitor
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="snapshot", daemon=True)

    def __enter__(self) -> SnapshotPublisher:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._closing.set()
        self._thread.join(timeout=INTERVAL)

    def _run(self) -> None:
        while True:
            try:
                write_file(self._workspace.snapshot, self._monitor.snapshot().to_json())
            except Exception as error:  # the disk may be full, the runs may change meanwhile: the next one is soon
                logger.debug("no snapshot was written: %s", error)
            if self._closing.wait(INTERVAL):
                break
        try:
            self._workspace.snapshot.unlink(missing_ok=True)
        except OSError as error:
            logger.info("the last snapshot could not be removed: %s", error)


def read_snapshot(workspace: Workspace) -> ProgressSnapshot | None:
    """Return the last snapshot of a sweep; None if there is none, or if another version wrote it."""
    try:
        return ProgressSnapshot.from_json(workspace.snapshot.read_bytes())
    except OSError:
        return None
