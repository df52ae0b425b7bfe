"""A running sweep's word about itself, for whoever asks what runs: in its folder and, on a cluster, in Ray's store."""

from __future__ import annotations

import getpass
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

from orchestrator.hosts.look import NAMESPACE
from orchestrator.reporting.tally import Tally
from orchestrator.spec import SweepSpec
from orchestrator.workspace import Workspace

logger = logging.getLogger(__name__)

EVERY = 5.0
"""Seconds between two words; whoever has been silent for many times that is gone or cut off."""


@dataclass(frozen=True)
class Notice:
    """What a sweep says of itself.

    Attributes:
        id, name, variant, dataset: of its settings.
        owner, host, pid: who runs it, and where its driver is.
        since: when this run of it began.
        ended, budget: trainings, of search, control and confirm runs.
        running: trainings in this moment.
        slots: how many may run side by side.
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
    seconds_left: float | None
    at: float

    @classmethod
    def of(cls, content: dict[str, Any]) -> Notice | None:
        """Read from JSON; None where that is another version's."""
        try:
            return cls(**content)
        except TypeError:
            return None


class Presence:
    """Says every few seconds how far a sweep is, while it is used as a context; what it cannot say is not missed.

    Args:
        spec: the sweep's settings.
        workspace: its folder.
        tally: its counts.
        shared: whether the session is one with a cluster that others use.
    """

    def __init__(self, spec: SweepSpec, workspace: Workspace, tally: Tally, shared: bool) -> None:
        self._spec = spec
        self._workspace = workspace
        self._tally = tally
        self._shared = shared
        self._since = datetime.now(UTC).isoformat(timespec="seconds")
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="presence", daemon=True)

    def __enter__(self) -> Presence:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._closing.set()
        self._thread.join(timeout=EVERY)

    def notice(self) -> Notice:
        """How far the sweep is now."""
        spec, tally = self._spec, self._tally
        return Notice(
            id=spec.id,
            name=spec.name,
            variant=spec.variant,
            dataset=Path(spec.dataset).name,
            owner=owner(),
            host=socket.gethostname(),
            pid=os.getpid(),
            since=self._since,
            ended=tally.ended_jobs(),
            budget=tally.budget,
            running=min(len(tally.running()), tally.slots),  # one more may be handed out already
            slots=tally.slots,
            seconds_left=tally.seconds_left(),
            at=time.time(),
        )

    def _run(self) -> None:
        while True:
            try:
                self._say(json.dumps(asdict(self.notice())))
            except (
                Exception
            ) as error:  # the tally changes meanwhile, a disk is full, a head is away: the next one will do
                logger.info("No word of the sweep's progress: %s", error)
            if self._closing.wait(EVERY):
                break
        try:
            self._take_back()
        except Exception as error:
            logger.info("The word of the sweep's progress stays behind: %s", error)

    def _say(self, text: str) -> None:
        registered = register() / f"{self._spec.id}.json"
        registered.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        registered.write_text(json.dumps({"folder": str(self._workspace.root)}))
        draft = self._workspace.progress.with_suffix(".draft")
        draft.write_text(text)
        os.replace(draft, self._workspace.progress)
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
