"""A program of the user's that runs a sweep in its own process, rather than by a command."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TextIO

from orchestrator.execution.callback_interface import SweepCallback


@dataclass(frozen=True)
class Embedding:
    """Parts of the program that the sweep calls. The program's process does not end with the sweep.

    Attributes:
        callbacks: returns the user's callbacks; called with the streams that the user sees during the sweep, while
            standard output and error go to its log.
    """

    callbacks: Callable[[TextIO, TextIO], Sequence[SweepCallback]] = lambda out, err: ()
