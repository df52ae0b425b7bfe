"""Redirection of everything that libraries print, from Python or native code, into a log file."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TextIO

from orchestrator.core.output_streams import lasting

_CONTINUES = "Nobody reads the output any longer; the sweep continues. Look with: python -m orchestrator.sweeps"


@contextmanager
def redirect_output(log: Path) -> Iterator[tuple[TextIO, TextIO]]:
    """Redirect file descriptors 1 and 2 to `log`; yield streams on their former targets.

    Ray writes from C++ and from child processes, past any Python logger, so the descriptors themselves are
    replaced. They are restored at the end, after an error too. If the reader of the first stream goes, one sentence on
    the second says that the work continues.
    """
    _flush(sys.stdout, sys.stderr)
    kept = os.dup(1), os.dup(2)
    err = lasting(_stream(kept[1], sys.stderr))
    out = lasting(_stream(kept[0], sys.stdout), on_gone=lambda: print(_CONTINUES, file=err))
    try:
        with log.open("ab") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        yield out, err
    finally:
        _flush(sys.stdout, sys.stderr, out, err)
        os.dup2(kept[0], 1)
        os.dup2(kept[1], 2)
        for stream in (out, err):
            with suppress(OSError):
                stream.close()


def is_standard_output(stream: IO[str]) -> bool:
    """Return whether a stream writes to file descriptor 1 or 2, and so is redirected by `redirect_output`."""
    try:
        return stream.fileno() in {1, 2}
    except (OSError, ValueError, AttributeError):  # a buffer in memory has none
        return False


def _flush(*streams: TextIO) -> None:
    """Flush streams; a full disk or a reader that has gone must not prevent what follows."""
    for stream in streams:
        with suppress(OSError, ValueError):
            stream.flush()


def _stream(descriptor: int, like: TextIO) -> TextIO:
    return os.fdopen(descriptor, "w", buffering=1, encoding=like.encoding, errors=like.errors)
