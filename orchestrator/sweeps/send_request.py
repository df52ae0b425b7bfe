"""Send a request to a running sweep, wait for its driver's answer, and wait for its end."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from orchestrator.core.errors import InputError
from orchestrator.core.shown_commands import resume_lines
from orchestrator.core.sweep_folder import LockOwner, Workspace, running
from orchestrator.core.sweep_requests import (
    RequestAnswer,
    RequestKind,
    SweepRequest,
    read_answer,
    submit,
    wait_for_answer,
)
from orchestrator.execution.job import KEY_PREFIX, parse_key

ANSWER_SECONDS = 10.0
"""Seconds that a command waits for an answer. The driver looks twice a second, and NFS may show a file late."""

_POLL = 0.5
"""Seconds between two looks whether a sweep has ended."""


@dataclass(frozen=True)
class SentRequest:
    """A request and what came of it.

    Attributes:
        workspace: folder of the sweep.
        request: the request.
        driver: process that ran the sweep.
        answer: None if there is none yet.
    """

    workspace: Workspace
    request: SweepRequest
    driver: LockOwner
    answer: RequestAnswer | None

    def as_dict(self) -> dict[str, Any]:
        """Return the request for JSON."""
        answer = self.answer
        return {
            "sweep": self.workspace.name,
            "request": self.request.id,
            "kind": self.request.kind,
            "by": self.request.by,
            "accepted": answer.accepted if answer else None,
            "answer": answer.text if answer else None,
            **(answer.data if answer else {}),
        }


def require_driver(workspace: Workspace) -> LockOwner:
    """Return the process that runs a sweep.

    Raises:
        InputError: no process does; the message says how the sweep stands.
    """
    if driver := running(workspace):
        return driver
    from orchestrator.core.spec import load_spec
    from orchestrator.sweeps.sweep_status import sweep_status

    status = sweep_status(workspace, load_spec(workspace.spec))
    trials = f", with {status.trials} of {status.budget} trials ended" if status.trials is not None else ""
    raise InputError(f"The sweep {workspace.name} is not running: it is {status.state}{trials}.")


def send(workspace: Workspace, kind: RequestKind, arguments: dict[str, Any], seconds: float) -> SentRequest:
    """Send a request to the driver of a sweep; return it with the answer if that comes within `seconds`.

    Raises:
        InputError: the sweep does not run, its folder cannot be written, or the driver refused.
    """
    driver = require_driver(workspace)
    request = submit(workspace, driver, kind, arguments)
    answer = wait_for_answer(workspace, request, seconds)
    if answer and not answer.accepted:
        raise InputError(answer.text)
    return SentRequest(workspace, request, driver, answer)


def print_sent(sent: SentRequest, as_json: bool) -> None:
    """Print what came of a request, as a sentence or as one JSON object."""
    if as_json:
        print(json.dumps(sent.as_dict()))
    elif sent.answer:
        print(sent.answer.text)
    else:
        print(f"Recorded; {sent.workspace.name} has not answered yet, and acts as soon as it runs trials.")


class SweepEnd(StrEnum):
    """End of a run of a sweep."""

    STOPPED = "stopped"
    FINISHED = "finished"
    KILLED = "killed"


_END_SENTENCES = {
    SweepEnd.STOPPED: "{name} has stopped; nothing is lost.",
    SweepEnd.FINISHED: "{name} finished before it stopped.",
    SweepEnd.KILLED: "The driver of {name} was killed before it stopped; everything up to the last epoch is on disk.",
}


def wait_for_end(sent: SentRequest) -> SweepEnd:
    """Wait until the driver that got a request has released the sweep; return how its run ended."""
    workspace = sent.workspace
    # A driver that was killed leaves its name behind; only its lock shows that it is gone.
    while left_behind := LockOwner.read(workspace) == sent.driver:
        if running(workspace) is None:
            break
        time.sleep(_POLL)
    if workspace.result.is_file():
        return SweepEnd.FINISHED
    # With `now`, a driver may end without cleaning up.
    at_once = sent.request.arguments.get("now") and read_answer(workspace, sent.request)
    return SweepEnd.KILLED if left_behind and not at_once else SweepEnd.STOPPED


def print_end(sent: SentRequest, end: SweepEnd) -> None:
    """Print how the run of a sweep ended and, if it is not finished, the command that resumes it."""
    workspace = sent.workspace
    print(_END_SENTENCES[end].format(name=workspace.name))
    if end is not SweepEnd.FINISHED:
        print(resume_lines(workspace.name, workspace.root.parent))


def trial_key(trial: str) -> str:
    """Return the key of a searched trial that a user names by number or by key.

    Raises:
        InputError: it names no trial of a search.

    Example:
        >>> trial_key("7"), trial_key("control-3")
        ('trial-0007', 'control-0003')
    """
    key = parse_key(trial)
    if key is None:
        raise InputError(f"--trial {trial}: expected a number, such as 7, or a name, such as control-0003.")
    if key.startswith(KEY_PREFIX["confirm"]):
        raise InputError(f"--trial {trial}: a confirm run cannot be stopped alone, since the result needs all of them.")
    return key
