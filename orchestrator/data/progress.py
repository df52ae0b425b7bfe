"""How long work tells whoever watches how far it is."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called now and then by anything that takes seconds; rates, times left and drawing are the caller's."""

    def __call__(self, done: int, total: int, what: str) -> None:
        """Say that `done` of `total` steps of `what` are finished."""


def silent(done: int, total: int, what: str) -> None:
    """Tell nobody."""
