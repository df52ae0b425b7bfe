"""Targets of notifications: an address that gets a POST, or a command, neither of which is printed or logged."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from orchestrator.core.errors import InputError

VARIABLE = "HYPERASSESS_NOTIFY"
"""Environment variable with one target, used if no option names any."""

_POST_SECONDS, _COMMAND_SECONDS = 10, 30


class NotDelivered(Exception):
    """Raised if a target did not take a notification; the message has no part of the target."""


def notification_targets(given: Sequence[str]) -> tuple[str, ...]:
    """Return the targets that an option or else the environment names.

    Raises:
        InputError: a target is neither an http address nor a command that exists; the message does not repeat it.
    """
    variable = os.environ.get(VARIABLE, "")
    targets = tuple(given) or ((variable,) if variable.strip() else ())
    for target in targets:
        if reason := _wrong(target):
            raise InputError(f"{'--notify' if given else VARIABLE}: {reason}.")
    return targets


def deliver(target: str, notification: Mapping[str, Any]) -> None:
    """Send a notification: as the JSON of a POST, or on standard input of a command, with its text as last argument.

    Raises:
        NotDelivered: the target failed or did not answer in time.
    """
    if _is_address(target):
        _post(target, notification)
    else:
        _call(target, notification)


def _is_address(target: str) -> bool:
    return target.lower().startswith(("http://", "https://"))


def _wrong(target: str) -> str | None:
    if _is_address(target):
        try:
            parts = urlsplit(target)
            return None if parts.hostname and (parts.port is None or parts.port) else "the address has no host"
        except ValueError:
            return "the address is not valid"
    try:
        words = shlex.split(target)
    except ValueError as error:
        return f"the command cannot be split into words: {str(error).lower().rstrip('.')}"
    if not words or "://" in words[0]:
        return "give an http or https address, or a command"
    return None if shutil.which(os.path.expanduser(words[0])) else "there is no such command on this machine"


def _post(address: str, notification: Mapping[str, Any]) -> None:
    import requests

    try:
        answer = requests.post(address, json=dict(notification), timeout=_POST_SECONDS)
    except (requests.RequestException, ValueError, OSError) as error:
        raise NotDelivered(type(error).__name__) from None  # its text repeats the address
    if not answer.ok:
        raise NotDelivered(f"HTTP status {answer.status_code}")


def _call(command: str, notification: Mapping[str, Any]) -> None:
    program, *arguments = shlex.split(command)
    try:
        done = subprocess.run(
            [os.path.expanduser(program), *arguments, str(notification["text"])],
            input=json.dumps(notification),
            text=True,
            encoding="utf-8",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_COMMAND_SECONDS,
            check=False,
        )
    except (subprocess.SubprocessError, OSError) as error:
        raise NotDelivered(type(error).__name__) from None
    if done.returncode:
        raise NotDelivered(f"exit code {done.returncode}")
