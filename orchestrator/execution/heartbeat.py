"""A running sweep's word about itself, for whoever asks what runs: in its folder and, on a cluster, in Ray's store.

On a cluster it hears what the others say as well, and takes no more than its share of the slots.
"""

from __future__ import annotations

import getpass
import json
import logging
import math
import os
import socket
import threading
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orchestrator.cluster.inspect import NAMESPACE
from orchestrator.core.atomic_files import write_file
from orchestrator.core.spec import SweepSpec
from orchestrator.core.workspace import Workspace
from orchestrator.execution.controller import SweepController
from orchestrator.execution.fair_share import SlotRequest, fair_shares, in_slots_of
from orchestrator.execution.progress import SweepProgress

logger = logging.getLogger(__name__)

EVERY = 5.0
"""Seconds between two words."""

GONE = 60.0
"""Seconds of silence after which a sweep has no claim to a slot any more."""


@dataclass(frozen=True)
class Heartbeat:
    """What a sweep says of itself.

    Attributes:
        id, name, variant, dataset: of its settings.
        owner, host, pid: who runs it, and where its driver is.
        since: when this run of it began.
        ended, budget: trainings, of search, control and confirm runs.
        running: trainings in this moment.
        slots: how many may run side by side now.
        room: how many would, if the cluster were its own.
        wanted: how many it could use of them.
        priority: its weight among the sweeps of a cluster.
        cpus, gpus: of one of its trials.
        seconds_left: an estimate; None before there can be one.
        at: when it was said, in seconds since 1970 by the driver's clock.
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

    @classmethod
    def of(cls, content: dict[str, Any]) -> Heartbeat | None:
        """Read from JSON; None where that is another version's."""
        try:
            return cls(**content)
        except TypeError:
            return None


class HeartbeatPublisher:
    """Says every few seconds how far a sweep is, while it is used as a context; what it cannot say is not missed.

    It keeps the number of slots up to date as well, as hosts and other sweeps come and go.

    Args:
        spec: the sweep's settings.
        workspace: its folder.
        progress: its counts.
        shared: whether the session is one with a cluster that others use.
        room: how many of its trials fit on the cluster less some hosts side by side, now.
    """

    def __init__(
        self,
        spec: SweepSpec,
        workspace: Workspace,
        progress: SweepProgress,
        shared: bool,
        room: Callable[[Collection[str]], int],
    ) -> None:
        self._spec = spec
        self._workspace = workspace
        self._progress = progress
        self._shared = shared
        self._count_room = room
        self._room = self._fit = progress.slots
        self._heard: dict[str, tuple[float, float]] = {}
        self._controller: SweepController | None = None
        self._since = datetime.now(UTC).isoformat(timespec="seconds")
        self._settling = threading.Lock()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="presence", daemon=True)

    def __enter__(self) -> HeartbeatPublisher:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._closing.set()
        self._thread.join(timeout=EVERY)

    def guide(self, controller: SweepController) -> None:
        """From now on tells the desk how many jobs it may run; once before it hands out any."""
        self._controller = controller
        self._settle()

    def notice(self) -> Heartbeat:
        """How far the sweep is now."""
        spec, progress = self._spec, self._progress
        return Heartbeat(
            id=spec.id,
            name=spec.name,
            variant=spec.variant,
            dataset=Path(spec.dataset).name,
            owner=owner(),
            host=socket.gethostname(),
            pid=os.getpid(),
            since=self._since,
            ended=progress.ended_jobs(),
            budget=progress.budget,
            running=min(
                sum(not line.waiting for line in progress.running()), progress.slots
            ),  # one more may be handed out already
            slots=progress.slots,
            room=self._room,
            wanted=self._wanted(),
            priority=spec.priority,
            cpus=spec.cpus_per_trial or 1.0,
            gpus=spec.gpus,
            seconds_left=progress.seconds_left(),
            at=time.time(),
        )

    def _wanted(self) -> int:
        """Slots that it could fill if it had the cluster to itself."""
        left = self._progress.budget - self._progress.ended_jobs()
        return max(0, min(left, self._fit, self._spec.concurrency or self._fit))

    def settle(self, others: Iterable[Heartbeat]) -> None:
        """Takes its share of the slots beside the sweeps that were heard of, some of them perhaps long ago.

        Sweeps on GPUs share these; one on CPUs alone leaves them the CPUs that they want, and shares the rest.
        """
        there = [notice for notice in others if notice.id != self._spec.id and self._is_there(notice)]
        room, left = self._room, self._room
        if not self._spec.gpus:
            cpus = sum(notice.wanted * notice.cpus for notice in there if notice.gpus)
            left = max(1, room - math.ceil(cpus / (self._spec.cpus_per_trial or 1.0)))
        claims = {
            notice.id: SlotRequest(notice.priority, in_slots_of(notice.wanted, notice.room, room))
            for notice in there
            if bool(notice.gpus) == bool(self._spec.gpus)
        }
        mine = fair_shares(left, {**claims, self._spec.id: SlotRequest(self._spec.priority, self._wanted())})[
            self._spec.id
        ]
        limited = bool(claims) or left < room
        self._progress.use_slots(max(1, mine) if limited else min(self._fit, self._spec.concurrency or room))
        if self._controller:
            self._controller.allowed = max(1, mine) if limited else None

    def _is_there(self, notice: Heartbeat) -> bool:
        """Whether it has said anything new lately, by this process's clock: the hosts' clocks may differ."""
        at, heard = self._heard.get(notice.id, (math.nan, 0.0))
        if at != notice.at:
            at, heard = notice.at, time.monotonic()
            self._heard[notice.id] = at, heard
        return time.monotonic() - heard < GONE

    def _run(self) -> None:
        while True:
            self._settle()
            try:
                self._say(json.dumps(asdict(self.notice())))
            except Exception as error:
                # The tally changes meanwhile, a disk is full, a head is away: the next time will do.
                logger.info("No word of the sweep's progress: %s", error)
            if self._closing.wait(EVERY):
                break
        try:
            self._take_back()
        except Exception as error:
            logger.info("The word of the sweep's progress stays behind: %s", error)

    def _settle(self) -> None:
        try:
            with self._settling:
                self._room = self._fit = self._count_room(())
                if self._controller:
                    if self._controller.left_out:
                        self._fit = self._count_room(self._controller.left_out)
                    self._controller.use_slots(self._fit)
                self.settle(self._hear())
        except Exception as error:  # as above
            logger.info("What other sweeps want is not known: %s", error)

    def _hear(self) -> list[Heartbeat]:
        """What the cluster's sweeps say."""
        if not self._shared:
            return []
        from ray.experimental.internal_kv import _internal_kv_get, _internal_kv_list

        keys = _internal_kv_list(b"sweep-", namespace=NAMESPACE)
        values = [_internal_kv_get(key, namespace=NAMESPACE) for key in keys]
        return [notice for value in values if value and (notice := Heartbeat.of(json.loads(value)))]

    def _say(self, text: str) -> None:
        registered = register() / f"{self._spec.id}.json"
        registered.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        registered.write_text(json.dumps({"folder": str(self._workspace.root)}))
        write_file(self._workspace.progress, text)
        if self._shared:
            from ray.experimental.internal_kv import _internal_kv_put

            _internal_kv_put(self._key, text.encode(), overwrite=True, namespace=NAMESPACE)

    def _take_back(self) -> None:
        (register() / f"{self._spec.id}.json").unlink(missing_ok=True)
        self._workspace.progress.unlink(missing_ok=True)
        if self._shared:
            from ray.experimental.internal_kv import _internal_kv_del

            _internal_kv_del(self._key, namespace=NAMESPACE)

    @property
    def _key(self) -> bytes:
        return f"sweep-{self._spec.id}".encode()


def register() -> Path:
    """Where the sweeps that this user runs on this host are registered, whichever folder each is in."""
    import platformdirs

    return Path(platformdirs.user_state_dir("hyperassess")) / "running" / socket.gethostname()


def owner() -> str:
    """Who runs this process; a number where the system has no name for it, as in containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
