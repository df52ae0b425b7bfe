"""Free disk space, and errors of writes that found no space."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from pathlib import Path

_ERROR_NUMBERS = {errno.ENOSPC, errno.EDQUOT}
# Messages of libraries in Rust and C, which raise errors of their own; the second is SQLite's.
_MESSAGES = ("no space left on device", "disk is full", "quota exceeded")
_UNITS = ("B", "kB", "MB", "GB", "TB")


class DiskFull(Exception):
    """Raised if the sweep's own records cannot be written; the sweep stops and can be resumed once there is space."""


def is_disk_full(error: BaseException) -> bool:
    """Return whether an error, or a cause of it, is a write that found no space or no quota."""
    return any(_is_full(cause) for cause in _chain(error))


def free_bytes(folder: Path) -> int:
    """Return the free bytes of the file system of an existing folder."""
    return shutil.disk_usage(folder).free


def format_bytes(size: float) -> str:
    """Format bytes for people: `812 MB`, `1.5 GB`."""
    unit = _UNITS[0]
    for unit in _UNITS:
        if abs(size) < 1000 or unit == _UNITS[-1]:
            break
        size /= 1000
    return f"{size:.1f} {unit}" if abs(size) < 10 and unit != "B" else f"{size:.0f} {unit}"


def _is_full(error: BaseException) -> bool:
    if isinstance(error, DiskFull) or (isinstance(error, OSError) and error.errno in _ERROR_NUMBERS):
        return True
    return any(words in str(error).lower() for words in _MESSAGES)


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        yield found
        found = found.__cause__ or found.__context__
