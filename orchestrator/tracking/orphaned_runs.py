"""Runs that a killed sweep left open: MLflow would show them as running for ever."""

from __future__ import annotations

import json
import logging
import socket
import threading
from pathlib import Path

from orchestrator.core.workspace import SweepLocked, Workspace, lock_sweep
from orchestrator.tracking.destination import remembered_target
from orchestrator.tracking.event import NewerSpool
from orchestrator.tracking.recorder import SWEEP
from orchestrator.tracking.spool import Event, Spool
from orchestrator.tracking.spool_index import index_spool
from orchestrator.tracking.uploader import SpoolUploader

logger = logging.getLogger(__name__)

_PATIENCE = 5.0


def close_orphans(own: Workspace) -> threading.Thread:
    """Closes, in the background, the open runs of killed sweeps in the folder that `own` is in.

    Only of sweeps whose holder was on this machine and is dead: the lease is taken, for the moment that it takes to
    write down the runs' end. They then go to the MLflow that their sweep used. A resumed sweep opens its runs again.
    """
    sweeps = [workspace for workspace in left_behind(own.root.parent) if workspace.root != own.root]
    thread = threading.Thread(target=_close_all, args=(sweeps,), name="orphans", daemon=True)
    thread.start()
    return thread


def left_behind(out: Path) -> list[Workspace]:
    """Sweeps of this machine that say they are held: running ones, and those whose holder was killed."""
    found = []
    for holder in sorted(out.glob("*/.holder.json")):
        try:
            host = json.loads(holder.read_text())["host"]
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if host == socket.gethostname():
            found.append(Workspace(holder.parent.absolute()))
    return found


def close_open_runs(spool: Spool) -> int:
    """Writes down that the runs which are open were interrupted, the sweep's own last; gives how many they were.

    The caller holds the sweep.
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
            logger.warning("the open runs of %s could not be closed: %s", workspace.name, error)
            continue
        target = remembered_target(spool)
        if closed and target:
            logger.info("%d runs of the killed sweep %s are closed", closed, workspace.name)
            SpoolUploader(spool, target.open).finish(_PATIENCE)
