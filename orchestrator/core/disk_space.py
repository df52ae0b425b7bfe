"""Disks: how much room there is, and how a write that found none is told from other errors."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from pathlib import Path

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}
# Libraries in Rust and C raise errors of their own; SQLite's is the second.
_SAID = ("no space left on device", "disk is full", "quota exceeded")
_UNITS = ("B", "kB", "MB", "GB", "TB")


class DiskFull(Exception):
    """The sweep's own records cannot be written: it stops, and goes on when there is room again."""


def is_disk_full(error: BaseException) -> bool:
    """Whether an error, or what led to it, is a write that found no room or no quota."""
    return any(_found_no_room(one) for one in _chain(error))


def free_bytes(folder: Path) -> int:
    """Bytes that may still be written to the file system of a folder that exists."""
    return shutil.disk_usage(folder).free


def format_bytes(size: float) -> str:
    """Bytes as people say them: `812 MB`, `1.5 GB`."""
    unit = _UNITS[0]
    for unit in _UNITS:
        if abs(size) < 1000 or unit == _UNITS[-1]:
            break
        size /= 1000
    return f"{size:.1f} {unit}" if abs(size) < 10 and unit != "B" else f"{size:.0f} {unit}"


def _found_no_room(error: BaseException) -> bool:
    if isinstance(error, DiskFull) or (isinstance(error, OSError) and error.errno in _NO_ROOM):
        return True
    return any(words in str(error).lower() for words in _SAID)


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        yield found
        found = found.__cause__ or found.__context__
