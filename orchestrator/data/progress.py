"""How long work tells whoever watches how far it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Progress(Protocol):
    """Called now and then by anything that takes seconds; rates, times left and drawing are the caller's."""

    def __call__(self, done: int, total: int, what: str) -> None:
        """Say that `done` of `total` steps of `what` are finished."""


def silent(done: int, total: int, what: str) -> None:
    """Tell nobody."""


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """A bar for each piece of work on standard error, where that is a terminal; they vanish at the end."""
    from rich.console import Console
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    with Bar(console=console, transient=True, disable=not console.is_terminal) as bar:
        tasks = {}

        def show(done: int, total: int, what: str) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total)
            bar.update(tasks[what], completed=done, total=total)

        yield show
