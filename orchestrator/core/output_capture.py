"""Redirection of everything that libraries print, from Python or native code, into a log file."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, TextIO

from orchestrator.core.output_streams import lasting

_CONTINUES = "Nobody reads the output any longer; the sweep continues. Look with: python -m orchestrator.sweeps"


@contextmanager
def redirect_output(log: Path) -> Iterator[tuple[TextIO, TextIO]]:
    """Redirect standard output and error to `log`; yield streams on their former targets.

    Ray writes from C++ and from child processes, past any Python logger, so file descriptors 1 and 2 themselves are
    replaced. A stream that is not on its descriptor, such as a notebook's, is replaced as well. Everything is restored
    at the end, after an error too. If the reader of the first stream goes, one sentence on the second says that the
    work continues.
    """
    flush(sys.stdout, sys.stderr)
    before = sys.stdout, sys.stderr
    kept = os.dup(1), os.dup(2)
    opened: list[TextIO] = []
    err = _former_target(sys.stderr, 2, kept[1], opened)
    out = _former_target(sys.stdout, 1, kept[0], opened, on_gone=lambda: print(_CONTINUES, file=err))
    try:
        with log.open("ab") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        with log.open("a", encoding="utf-8", buffering=1) as text:
            sys.stdout, sys.stderr = (
                stream if _is_on(stream, number) else text for stream, number in zip(before, (1, 2), strict=True)
            )
            yield out, err
    finally:
        flush(sys.stdout, sys.stderr, out, err)
        sys.stdout, sys.stderr = before
        os.dup2(kept[0], 1)
        os.dup2(kept[1], 2)
        for stream in opened:
            with suppress(OSError):
                stream.close()
        for descriptor in kept:
            os.close(descriptor)


def _former_target(
    stream: TextIO, number: int, kept: int, opened: list[TextIO], on_gone: Callable[[], None] | None = None
) -> TextIO:
    """Return a stream on `kept`, a copy of descriptor `number`, or the stream itself if it is on neither."""
    if not _is_on(stream, number):
        return stream
    opened.append(lasting(_stream(os.dup(kept), stream), on_gone))
    return opened[-1]


def _is_on(stream: TextIO, number: int) -> bool:
    """Return whether a stream writes to a descriptor."""
    return descriptor(stream) == number


@contextmanager
def capture_libraries(stream: IO[str], log: Path) -> Iterator[IO[str]]:
    """Redirect file descriptors 1 and 2 as `redirect_output` does, before the folder of `log` may have a file.

    What was printed is appended to `log` at the end, unless the block raises.

    Args:
        stream: standard output, standard error, or a buffer in memory.
        log: the log.

    Yields:
        The stream to write to in the place of `stream`.
    """
    with TemporaryDirectory() as folder:
        draft = Path(folder) / "log.txt"
        with redirect_output(draft) as (out, err):
            yield {1: out, 2: err}.get(descriptor(stream), stream)
        if printed := draft.read_bytes():
            with log.open("ab") as file:
                file.write(printed)


def descriptor(stream: IO[str]) -> int:
    """Return the file descriptor of a stream, -1 for a buffer in memory."""
    try:
        return stream.fileno()
    except (OSError, ValueError, AttributeError):
        return -1


def flush(*streams: TextIO) -> None:
    """Flush streams; a full disk or a reader that has gone must not prevent what follows."""
    for stream in streams:
        with suppress(OSError, ValueError):
            stream.flush()


def _stream(descriptor: int, like: TextIO) -> TextIO:
    return os.fdopen(descriptor, "w", buffering=1, encoding=like.encoding, errors=like.errors)
