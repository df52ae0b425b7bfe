"""The sweeps that run now: this user's on this host, those of a folder, and everybody's on a cluster."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from orchestrator.core.current_user import current_user
from orchestrator.core.spec import SweepSpec, load_spec
from orchestrator.core.sweep_folder import Workspace, running, scan
from orchestrator.execution.sweep_heartbeat import Heartbeat, read_heartbeat, register
from orchestrator.sweeps.sweep_status import State, sweep_status

_GONE = 600.0
"""Seconds after which a sweep that has not said a word to its cluster is listed no more."""

_SILENT = 60.0


@dataclass(frozen=True)
class RunningSweep:
    """A running sweep.

    Attributes:
        notice: its last heartbeat.
        mine: whether this user runs it.
        cluster: address of the cluster that has the heartbeat; None if its folder has it.
        silent: seconds since the heartbeat; None if the sweep is known to run.
    """

    notice: Heartbeat
    mine: bool
    cluster: str | None
    silent: float | None

    def as_dict(self) -> dict[str, Any]:
        """Return the sweep for JSON."""
        return {**asdict(self.notice), "mine": self.mine, "cluster": self.cluster, "silent_seconds": self.silent}


def running_sweeps(out: Path, address: str | None, notices: tuple[dict[str, Any], ...]) -> list[RunningSweep]:
    """Return all running sweeps, this user's first, each group in the order they started.

    Args:
        out: folder of sweeps.
        address: of the cluster that the notices are from.
        notices: heartbeats of sweeps there.
    """
    here = {notice.id: notice for workspace in _folders(out) if (notice := _of_folder(workspace))}
    found = [RunningSweep(notice, notice.owner == current_user(), None, None) for notice in here.values()]
    for content in notices:
        notice = Heartbeat.of(content)
        if notice is None or notice.id in here or (silent := max(0.0, time.time() - notice.at)) > _GONE:
            continue
        found.append(
            RunningSweep(notice, notice.owner == current_user(), address, silent if silent > _SILENT else None)
        )
    return sorted(found, key=lambda one: (not one.mine, one.notice.since))


def _folders(out: Path) -> Iterator[Workspace]:
    """Yield the sweeps of a folder, and those that this user runs elsewhere."""
    for workspace, spec in scan(out):
        if isinstance(spec, SweepSpec):
            yield workspace
    for file in sorted(register().glob("*.json")):
        try:
            workspace = Workspace(Path(json.loads(file.read_text(encoding="utf-8"))["folder"]))
        except (OSError, ValueError, KeyError):
            continue
        if workspace.spec.is_file():
            yield workspace


def _of_folder(workspace: Workspace) -> Heartbeat | None:
    """Return a running sweep's heartbeat, or a first one made from its folder; None if it does not run."""
    if (holder := running(workspace)) is None:
        return None
    if notice := read_heartbeat(workspace, holder):
        return notice
    spec = load_spec(workspace.spec)
    stands = sweep_status(workspace, spec)
    if stands.state not in {State.RUNNING, State.PAUSED}:
        return None
    return Heartbeat(
        id=spec.id,
        name=spec.name,
        variant=spec.variant,
        dataset=Path(spec.dataset).name,
        owner=_owner_of(workspace.holder),
        host=holder.host,
        pid=holder.pid,
        since=holder.since,
        ended=stands.trials or 0,
        budget=spec.trials,
        running=0,
        slots=0,
        room=0,
        wanted=0,
        priority=spec.priority,
        cpus=spec.cpus_per_trial or 1.0,
        gpus=spec.gpus,
        seconds_left=None,
        at=time.time(),
    )


def _owner_of(file: Path) -> str:
    try:
        return file.owner()
    except (KeyError, OSError):
        return "?"
