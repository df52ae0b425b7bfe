"""Requests to a running sweep: files in its folder, which commands write and the sweep's driver answers.

A request is one file, `requests/ID.json`. The driver moves it to `requests/handled/ID.json` with its answer. No process
id and no socket is used, so a request can come from any host that sees the folder.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any
from uuid import uuid4

from orchestrator.core.atomic_files import write_file
from orchestrator.core.current_user import current_user
from orchestrator.core.errors import InputError, printable, reason
from orchestrator.core.sweep_folder import LockOwner, Workspace

logger = logging.getLogger(__name__)

_POLL = 0.1
"""Seconds between two looks for an answer."""

_MOST_BYTES = 4_000_000
"""Size of the largest request that a driver reads."""


class RequestKind(StrEnum):
    """Kind of a request."""

    STOP = "stop"
    """Stop the sweep so that it can be resumed; with `now`, without waiting for running epochs."""
    STOP_TRIAL = "stop-trial"
    """End one trial as pruned."""
    PAUSE = "pause"
    """Interrupt the running trials at the end of their epoch, and start none."""
    UNPAUSE = "unpause"
    """Resume the trials."""
    ENQUEUE = "enqueue"
    """Try configurations next."""


@dataclass(frozen=True)
class SweepRequest:
    """A request to the driver of a sweep.

    Attributes:
        id: name of its file; requests sort by time.
        kind: one of `RequestKind`, or a kind that only a later version knows.
        arguments: depend on the kind.
        user, host: of the process that made it.
        time: when it was made, in ISO 8601.
        driver: process that ran the sweep then; the driver of a resumed sweep does not act on it.
    """

    id: str
    kind: str
    arguments: dict[str, Any]
    user: str
    host: str
    time: str
    driver: dict[str, Any]

    @property
    def by(self) -> str:
        """User and host that made the request: `ada@node7`."""
        return printable(f"{self.user}@{self.host}")


@dataclass(frozen=True)
class RequestAnswer:
    """Answer of a driver.

    Attributes:
        accepted: whether it acted, or will.
        text: sentences for the user.
        data: the same for scripts.
    """

    accepted: bool
    text: str
    data: dict[str, Any] = field(default_factory=dict)


def submit(workspace: Workspace, driver: LockOwner, kind: RequestKind, arguments: dict[str, Any]) -> SweepRequest:
    """Write a request to the driver of a sweep.

    Raises:
        InputError: this user cannot write the sweep's folder.
    """
    now = datetime.now(UTC)
    request = SweepRequest(
        id=f"{now:%Y%m%dT%H%M%S.%f}-{uuid4().hex[:8]}",
        kind=str(kind),
        arguments=arguments,
        user=current_user(),
        host=socket.gethostname(),
        time=now.isoformat(timespec="seconds"),
        driver=asdict(driver),
    )
    try:
        _make_folders(workspace)
        write_file(workspace.requests / f"{request.id}.json", json.dumps(asdict(request), indent=1) + "\n")
    except OSError as error:
        raise InputError(
            f"{workspace.name} takes no request from you, since its folder cannot be written ({reason(error)})."
        ) from error
    return request


def wait_for_answer(workspace: Workspace, request: SweepRequest, seconds: float) -> RequestAnswer | None:
    """Return the driver's answer; None if there is none within `seconds`, or the driver has ended without one."""
    deadline = time.monotonic() + seconds
    while (answer := read_answer(workspace, request)) is None:
        gone = LockOwner.read(workspace) is None
        if gone or time.monotonic() > deadline:
            return read_answer(workspace, request)
        time.sleep(_POLL)
    return answer


def read_answer(workspace: Workspace, request: SweepRequest) -> RequestAnswer | None:
    """Return the answer to a request, None if there is none yet."""
    try:
        content = json.loads((workspace.requests / "handled" / f"{request.id}.json").read_text(encoding="utf-8"))
        return RequestAnswer(content["accepted"], content["answer"], content.get("data") or {})
    except (OSError, ValueError, KeyError, TypeError):
        return None


class RequestInbox:
    """Requests to one driver, each taken once.

    Args:
        workspace: folder of the sweep.
        driver: this process, as it holds the sweep.
    """

    def __init__(self, workspace: Workspace, driver: LockOwner | None) -> None:
        self._folder = workspace.requests
        self._driver = asdict(driver) if driver else None
        self._seen: set[str] = set()

    def take(self) -> list[SweepRequest]:
        """Return the new requests, oldest first; drop those that cannot be read and those to an earlier driver."""
        try:
            names = sorted(entry.name for entry in os.scandir(self._folder) if entry.name.endswith(".json"))
        except OSError:
            return []  # nobody has made a request yet
        new = []
        for name in names:
            if name in self._seen:
                continue
            self._seen.add(name)
            request = _read(self._folder / name)
            if request is None:
                logger.warning("the request %s cannot be read and is ignored", name)
                self._move(name, {"accepted": False, "answer": "The request cannot be read."})
            elif request.driver != self._driver:
                logger.warning("the request %s (%s by %s) was to an earlier run", name, request.kind, request.by)
                self.answer(request, RequestAnswer(False, "The run of the sweep that it was made to had ended."))
            else:
                new.append(request)
        return new

    def answer(self, request: SweepRequest, answer: RequestAnswer) -> None:
        """Record the answer to a request; an error is logged, since the request is handled all the same."""
        content = {**asdict(request), "accepted": answer.accepted, "answer": answer.text, "data": answer.data}
        logger.info("%s by %s: %s", request.kind, request.by, answer.text)
        self._move(f"{request.id}.json", content)

    def _move(self, name: str, content: dict[str, Any]) -> None:
        handled = datetime.now(UTC).isoformat(timespec="seconds")
        try:
            text = json.dumps({**content, "handled": handled}, indent=1) + "\n"
            write_file(self._folder / "handled" / name, text)
            (self._folder / name).unlink(missing_ok=True)
        except OSError as error:
            logger.warning("the answer to the request %s cannot be written: %s", name, error)


def _read(path: Path) -> SweepRequest | None:
    try:
        if path.stat().st_size > _MOST_BYTES:
            return None
        request = SweepRequest(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    return request if isinstance(request.arguments, dict) and request.id == path.stem else None


def _make_folders(workspace: Workspace) -> None:
    """Make the folders of requests, with the permissions of the sweep's folder: its writers may all use them."""
    mode = workspace.root.stat().st_mode & 0o2777
    for folder in (workspace.requests, workspace.requests / "handled"):
        if not folder.is_dir():
            folder.mkdir(exist_ok=True)
            folder.chmod(mode)
