"""A program of the user's that runs a sweep in its own process, rather than by a command."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TextIO

from orchestrator.execution.callback_interface import SweepCallback
from orchestrator.execution.sweep_monitor import SweepMonitor
from orchestrator.reporting.live_view import ScreenMaker


@dataclass(frozen=True)
class Streams:
    """Streams that the user sees while standard output and error go to the log of the sweep."""

    out: TextIO
    err: TextIO


@dataclass(frozen=True)
class Embedding:
    """Parts of the program that the sweep calls. The program's process does not end with the sweep.

    Attributes:
        callbacks: returns the program's callbacks.
        screen: makes the live screen; None for one on the console, if that is a terminal.
    """

    callbacks: Callable[[Streams, SweepMonitor], Sequence[SweepCallback]]
    screen: ScreenMaker | None = None

    @property
    def shows_result(self) -> bool:
        """True if the sweep prints its result on the console: a program with a screen of its own shows it itself."""
        return self.screen is None
