"""Standard output and error that no reader and no locale can break.

A character that the terminal cannot show is replaced. Once the reader has gone (a closed pipe or terminal), output is
dropped and the command continues.
"""

from __future__ import annotations

import codecs
import errno
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

_GONE = {errno.EPIPE, errno.EIO, errno.ESHUTDOWN, errno.ENOTCONN}
"""Errors of writing to a pipe or a terminal that was closed."""

_PLAIN = {"–": "-", "—": "-", "−": "-", "·": "|", "…": "...", "×": "x", "→": "->", "“": '"', "”": '"', "±": "+-"}
_PLAIN_ERRORS = "hyperassess.plain"


def _plain(error: UnicodeError) -> tuple[str, int]:
    """Replace characters that an encoding lacks by similar ones, or by `?`."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(_PLAIN.get(character, "?") for character in text), error.end


codecs.register_error(_PLAIN_ERRORS, _plain)


class LastingStream:
    """A text stream that drops its output once the reader has gone.

    Args:
        stream: the stream to write to.
        on_gone: called once, when the reader has gone.
    """

    def __init__(self, stream: TextIO, on_gone: Callable[[], None] | None = None) -> None:
        self._stream = stream
        self._on_gone = on_gone
        self._gone = False
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors=_PLAIN_ERRORS)

    def write(self, text: str) -> int:
        """Write text, or drop it; return its length."""
        if not self._gone:
            try:
                return self._stream.write(text)
            except OSError as error:
                self._drop(error)
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write each of several texts."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Flush the stream unless the reader has gone."""
        if not self._gone:
            try:
                self._stream.flush()
            except OSError as error:
                self._drop(error)

    def close(self) -> None:
        """Flush and close the stream."""
        self.flush()
        with suppress(OSError, ValueError):
            self._stream.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _drop(self, error: OSError) -> None:
        """Send what follows nowhere; raise an error of any other kind."""
        if error.errno not in _GONE:
            raise error
        self._gone = True
        with suppress(OSError, ValueError):  # a stream without a descriptor
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)
            self._stream.flush()
        if self._on_gone is not None:
            self._on_gone()


def lasting(stream: TextIO, on_gone: Callable[[], None] | None = None) -> TextIO:
    """Return a stream that drops its output once the reader of `stream` has gone."""
    return cast(TextIO, LastingStream(stream, on_gone))


@contextmanager
def lasting_output() -> Iterator[None]:
    """Make standard output and error outlast their reader inside the block."""
    _open_closed_descriptors()
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (
        stream if isinstance(stream, LastingStream) else lasting(stream or _nowhere()) for stream in before
    )
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(ValueError):  # it is closed
                stream.flush()
        sys.stdout, sys.stderr = before


def _nowhere() -> TextIO:
    return os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")


def _open_closed_descriptors() -> None:
    """Open the null device in place of closed standard descriptors, which any other file could get otherwise."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free descriptor
