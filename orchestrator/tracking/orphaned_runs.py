"""End the runs of killed sweeps, which MLflow would show as running for ever."""

from __future__ import annotations

import json
import logging
import socket
import threading
from pathlib import Path

from orchestrator.core.sweep_folder import SweepLocked, Workspace, lock_sweep
from orchestrator.tracking.destination import stored_destination
from orchestrator.tracking.event import NewerSpool
from orchestrator.tracking.recorder import SWEEP
from orchestrator.tracking.spool import Event, Spool
from orchestrator.tracking.spooled_runs import index_spool
from orchestrator.tracking.uploader import SpoolUploader

logger = logging.getLogger(__name__)

_RETRY_SECONDS = 5.0
"""Seconds to retry for if MLflow is not available."""


def close_orphans(own: Workspace) -> threading.Thread:
    """End, in the background, the open runs of killed sweeps in the same folder as `own`.

    Only sweeps whose process ran on this machine and is dead are changed, each under its lock. The events go to the
    MLflow that the sweep used. A resumed sweep sets its runs to running again.
    """
    sweeps = [workspace for workspace in find_killed_sweeps(own.root.parent) if workspace.root != own.root]
    thread = threading.Thread(target=_close_all, args=(sweeps,), name="orphaned-runs", daemon=True)
    thread.start()
    return thread


def find_killed_sweeps(out: Path) -> list[Workspace]:
    """Return the sweeps with a lock owner on this machine: killed sweeps, and running ones."""
    sweeps = []
    for holder in sorted(out.glob("*/.holder.json")):
        try:
            host = json.loads(holder.read_text(encoding="utf-8"))["host"]
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if host == socket.gethostname():
            sweeps.append(Workspace(holder.parent.absolute()))
    return sweeps


def close_open_runs(spool: Spool) -> int:
    """Record that the open runs were interrupted, the sweep's own last; return their number.

    The caller holds the sweep's lock.
    """
    keys = [key for key, run in index_spool(spool).runs.items() if run.open]
    for key in sorted(keys, key=lambda key: key == SWEEP):
        spool.append(Event("tags", key, {"tags": {"outcome": "interrupted"}}))
        spool.append(Event("end", key, {"status": "KILLED"}))
    return len(keys)


def _close_all(sweeps: list[Workspace]) -> None:
    for workspace in sweeps:
        spool = Spool(workspace.spool)
        try:
            with lock_sweep(workspace):
                closed = close_open_runs(spool)
        except (SweepLocked, NewerSpool):
            continue
        except OSError as error:
            logger.warning("the open runs of %s could not be ended: %s", workspace.name, error)
            continue
        target = stored_destination(spool)
        if closed and target:
            logger.info("%d runs of the killed sweep %s are ended", closed, workspace.name)
            SpoolUploader(spool, target.open).finish(_RETRY_SECONDS)
