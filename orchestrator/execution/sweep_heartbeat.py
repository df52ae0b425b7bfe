"""Heartbeat of a running sweep: its progress, in its folder and on a cluster in Ray's key-value store as well."""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orchestrator.cluster.inspect import NAMESPACE
from orchestrator.core.atomic_files import write_file
from orchestrator.core.current_user import current_user
from orchestrator.core.spec import SweepSpec
from orchestrator.core.sweep_folder import LockOwner, Workspace
from orchestrator.execution.progress import SweepProgress
from orchestrator.execution.slots import Slots

logger = logging.getLogger(__name__)

INTERVAL = 5.0
"""Seconds between two heartbeats."""

_PREFIX = b"sweep-"


@dataclass(frozen=True)
class Heartbeat:
    """Progress and slots of a running sweep.

    Attributes:
        id, name, variant, dataset: from its settings.
        owner, host, pid: user, host and process id of its driver.
        since: time at which this run of it began, in ISO 8601.
        ended, budget: numbers of trainings, of search, control and confirm runs.
        running: trainings that run now.
        slots: trainings that may run in parallel now.
        room: trainings that would fit in parallel if no other sweep used the cluster.
        wanted: how many of these slots it could use.
        priority: its weight among the sweeps of a cluster.
        cpus, gpus: of one of its trials.
        seconds_left: an estimate; None as long as there is none.
        at: time of the heartbeat, in seconds since 1970 by the driver's clock.
        paused: whether the user has paused it.
    """

    id: str
    name: str
    variant: str
    dataset: str
    owner: str
    host: str
    pid: int
    since: str
    ended: int
    budget: int
    running: int
    slots: int
    room: int
    wanted: int
    priority: float
    cpus: float
    gpus: float
    seconds_left: float | None
    at: float
    paused: bool = False

    @classmethod
    def of(cls, content: dict[str, Any]) -> Heartbeat | None:
        """Read a heartbeat from JSON; return None if another version wrote it."""
        try:
            return cls(**content)
        except TypeError:
            return None

    def as_json(self) -> str:
        """Return the heartbeat as JSON; programs of an earlier version read it unless the sweep is paused."""
        content = asdict(self)
        if not self.paused:
            del content["paused"]
        return json.dumps(content)


class HeartbeatPublisher:
    """Thread that publishes a sweep's heartbeat every few seconds; use it as a context.

    An error is logged and does not stop the sweep.

    Args:
        spec: settings of the sweep.
        workspace: folder of the sweep.
        progress: counts of its jobs.
        slots: its slots.
        shared: whether the Ray cluster is one that other sweeps use.
    """

    def __init__(
        self, spec: SweepSpec, workspace: Workspace, progress: SweepProgress, slots: Slots, shared: bool
    ) -> None:
        self._spec = spec
        self._workspace = workspace
        self._progress = progress
        self._slots = slots
        self._shared = shared
        self._since = datetime.now(UTC).isoformat(timespec="seconds")
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def __enter__(self) -> HeartbeatPublisher:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._closing.set()
        self._thread.join(timeout=INTERVAL)

    def heartbeat(self) -> Heartbeat:
        """Return the heartbeat of this moment."""
        spec, progress, slots = self._spec, self._progress, self._slots
        return Heartbeat(
            id=spec.id,
            name=spec.name,
            variant=spec.variant,
            dataset=Path(spec.dataset).name,
            owner=current_user(),
            host=socket.gethostname(),
            pid=os.getpid(),
            since=self._since,
            ended=progress.ended_jobs(),
            budget=progress.budget,
            running=len(progress.running()),
            slots=slots.count,
            room=slots.total,
            wanted=slots.usable(progress.remaining_jobs()),
            priority=spec.priority,
            cpus=spec.cpus_per_trial or 1.0,
            gpus=spec.gpus,
            seconds_left=progress.seconds_left(),
            at=time.time(),
            paused=slots.paused,
        )

    def _run(self) -> None:
        while True:
            try:
                self._publish(self.heartbeat().as_json())
            except Exception as error:
                # The progress may change meanwhile, the disk be full, Ray's head be away: the next one is soon.
                logger.info("no heartbeat was published: %s", error)
            if self._wait():
                break
        try:
            self._withdraw()
        except Exception as error:
            logger.info("the last heartbeat could not be removed: %s", error)

    def _wait(self) -> bool:
        """Wait for the time of the next heartbeat, or until the sweep is paused or unpaused; return whether to end."""
        paused, steps = self._slots.paused, 10
        for _ in range(steps):
            if self._closing.wait(INTERVAL / steps):
                return True
            if self._slots.paused != paused:
                break
        return False

    def _publish(self, text: str) -> None:
        write_file(self._workspace.progress, text)
        if self._shared:
            from ray.experimental.internal_kv import _internal_kv_put

            _internal_kv_put(self._key, text.encode(), overwrite=True, namespace=NAMESPACE)
        registered = register() / f"{self._spec.id}.json"  # last, since the home folder may be read-only
        registered.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        registered.write_text(json.dumps({"folder": str(self._workspace.root)}), encoding="utf-8")

    def _withdraw(self) -> None:
        (register() / f"{self._spec.id}.json").unlink(missing_ok=True)
        self._workspace.progress.unlink(missing_ok=True)
        if self._shared:
            from ray.experimental.internal_kv import _internal_kv_del

            _internal_kv_del(self._key, namespace=NAMESPACE)

    @property
    def _key(self) -> bytes:
        return _PREFIX + self._spec.id.encode()


def read_heartbeat(workspace: Workspace, holder: LockOwner) -> Heartbeat | None:
    """Return the latest heartbeat of the process that runs a sweep, None if its folder has none of this process."""
    try:
        beat = Heartbeat.of(json.loads(workspace.progress.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None
    return beat if beat and (beat.host, beat.pid) == (holder.host, holder.pid) else None


def read_heartbeats() -> list[Heartbeat]:
    """Return the latest heartbeat of every sweep on the connected Ray cluster, those of ended drivers included."""
    from ray.experimental.internal_kv import _internal_kv_get, _internal_kv_list

    keys = _internal_kv_list(_PREFIX, namespace=NAMESPACE)
    values = [_internal_kv_get(key, namespace=NAMESPACE) for key in keys]
    return [beat for value in values if value and (beat := Heartbeat.of(json.loads(value)))]


def register() -> Path:
    """Return the folder in which this user's running sweeps on this host are registered."""
    import platformdirs

    return Path(platformdirs.user_state_dir("hyperassess")) / "running" / socket.gethostname()
