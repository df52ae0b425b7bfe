"""Consoles of the commands, for progress and tables."""

from __future__ import annotations

from typing import IO

from rich.console import Console

_PLAIN_WIDTH = 140


def make_console(stream: IO[str]) -> Console:
    """Return a console on a stream, wide enough for the result table if that is not a terminal."""
    return Console(file=stream, width=None if stream.isatty() else _PLAIN_WIDTH)


def console_on(stream: IO[str] | None, console: Console) -> Console:
    """Return a console on a stream; the given one if that is its stream, or None."""
    return console if stream is None or stream is console.file else make_console(stream)
