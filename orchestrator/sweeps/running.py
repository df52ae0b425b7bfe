"""The sweeps that run now: this user's on this host, those of a folder, and everybody's on a cluster."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from orchestrator.sweeps.state import State, sweep_status
from orchestrator.execution.heartbeat import Heartbeat, owner, register
from orchestrator.core.spec import SweepSpec, load_spec
from orchestrator.core.workspace import Workspace, running, scan

_GONE = 600.0
"""Seconds after which a sweep that has not said a word to its cluster is listed no more."""

_SILENT = 60.0


@dataclass(frozen=True)
class RunningSweep:
    """A sweep that runs.

    Attributes:
        notice: what it says of itself.
        mine: whether whoever asks runs it.
        cluster: address of the cluster that told of it; None where its folder did.
        silent: seconds since it said so; None where it is known to run.
    """

    notice: Heartbeat
    mine: bool
    cluster: str | None
    silent: float | None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self.notice), "mine": self.mine, "cluster": self.cluster, "silent_seconds": self.silent}


def running_sweeps(out: Path, address: str | None, notices: tuple[dict[str, Any], ...]) -> list[RunningSweep]:
    """All that run, one's own first, each in the order they began.

    Args:
        out: a folder that sweeps live in.
        address: of the cluster that the notices are from.
        notices: what sweeps have said of themselves there.
    """
    here = {notice.id: notice for workspace in _folders(out) if (notice := _of_folder(workspace))}
    found = [RunningSweep(notice, notice.owner == owner(), None, None) for notice in here.values()]
    for content in notices:
        notice = Heartbeat.of(content)
        if notice is None or notice.id in here or (silent := max(0.0, time.time() - notice.at)) > _GONE:
            continue
        found.append(RunningSweep(notice, notice.owner == owner(), address, silent if silent > _SILENT else None))
    return sorted(found, key=lambda one: (not one.mine, one.notice.since))


def _folders(out: Path) -> Iterator[Workspace]:
    """Those of a folder, and those that this user runs wherever else they are."""
    for workspace, spec in scan(out):
        if isinstance(spec, SweepSpec):
            yield workspace
    for file in sorted(register().glob("*.json")):
        try:
            workspace = Workspace(Path(json.loads(file.read_text())["folder"]))
        except (OSError, ValueError, KeyError):
            continue
        if workspace.spec.is_file():
            yield workspace


def _of_folder(workspace: Workspace) -> Heartbeat | None:
    """What a sweep that is running says; before its first word, what its folder says; None where it is not running."""
    if (holder := running(workspace)) is None:
        return None
    try:
        notice = Heartbeat.of(json.loads(workspace.progress.read_text()))
    except (OSError, ValueError):
        notice = None
    if notice and notice.pid == holder.pid:
        return notice
    spec = load_spec(workspace.spec)
    stands = sweep_status(workspace, spec)
    if stands.state is not State.RUNNING:
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
