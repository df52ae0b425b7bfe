"""Folder of Ray's temporary files: short enough for its sockets, writable, with some space."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from orchestrator.core.disk_space import format_bytes, free_bytes
from orchestrator.core.errors import InputError

CHOICE = "RAY_TMPDIR"
"""Environment variable that names the folder."""

_SOCKET = "/session_2026-01-31_23-59-59_123456_1234567/sockets/plasma_store"
"""The longest path that Ray makes in a session's folder."""

_LONGEST_SOCKET = 107
"""Bytes that the path of a Unix socket may have."""

_LEAST_FREE = 50 * 10**6
"""Bytes that logs and sockets of a session need at least."""

_USUAL = Path("/tmp")


def ray_folder(subfolder: str) -> Path:
    """Return RAY_TMPDIR, else the temporary folder, else `/tmp` if Ray's files do not fit there.

    Args:
        subfolder: name of the folder in it that gets the files.

    Raises:
        InputError: they fit nowhere; the message says what to set.
    """
    longest = _LONGEST_SOCKET - len(f"/{subfolder}{_SOCKET}")
    if chosen := os.environ.get(CHOICE):
        folder = Path(chosen).absolute()
        if problem := _problem(folder, longest):
            raise InputError(f"{CHOICE}: {problem}. Set it to another folder, such as {_USUAL}.")
        return folder
    usual = Path(os.environ.get("TMPDIR") or tempfile.gettempdir()).absolute()
    problems = []
    for folder in dict.fromkeys((usual, _USUAL)):
        problem = _problem(folder, longest)
        if problem is None:
            return folder
        problems.append(problem)
    raise InputError(f"Ray has no folder for its files: {'; '.join(problems)}. Set {CHOICE} to another one.")


def _problem(folder: Path, longest: int) -> str | None:
    """Return why Ray cannot use a folder; None if it can."""
    length = len(os.fsencode(folder))
    if length > longest:
        return f"{folder} is too long for Ray's sockets ({length} characters, {longest} at most)"
    if not folder.is_dir():
        return f"{folder} is not a folder"
    if not os.access(folder, os.W_OK | os.X_OK):
        return f"{folder} cannot be written"
    free = free_bytes(folder)
    if free < _LEAST_FREE:
        return f"{folder} has {format_bytes(free)} free, and Ray needs {format_bytes(_LEAST_FREE)}"
    return None
