"""Live screen of a sweep below a notebook's cell: the table of a terminal as HTML, updated in place."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable
from io import StringIO
from typing import Any, Self

from rich.console import Console, Group

logger = logging.getLogger(__name__)

COLUMNS, ROWS = 110, 24
"""Size of the screen, in characters."""

_INTERVAL = 0.7
"""Seconds between two updates."""

_FORMAT = (
    '<pre style="white-space:pre;overflow-x:auto;line-height:1.25;margin:0;'
    "font-family:Menlo,'DejaVu Sans Mono',Consolas,monospace\">{code}</pre>"
)


def in_notebook() -> bool:
    """Return whether this process is the kernel of a notebook, which shows HTML."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return hasattr(shell, "kernel")


class NotebookScreen:
    """Screen in the output of the cell that runs the sweep; its last state stays there.

    Any thread may draw, since messages to the notebook belong to the cell that displayed the screen.
    """

    def __init__(self) -> None:
        self._draw: Callable[[], Group] | None = None
        self._handle: Any = None
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def drawing(self, draw: Callable[[], Group]) -> Self:
        """Return the screen, to show what `draw` returns from its next start on."""
        self._draw = draw
        return self

    def start(self, refresh: bool) -> None:
        """Begin to draw."""
        from IPython.display import display

        if self._handle is None:
            self._handle = display(_Html(self._html()), display_id=True)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(self._closing,), name="notebook-screen", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Draw once more and stop."""
        if self._thread is None:
            return
        self._closing.set()
        self._thread.join(timeout=5)
        self._thread = None
        self._update()

    def _run(self, closing: threading.Event) -> None:
        while not closing.wait(_INTERVAL):
            self._update()

    def _update(self) -> None:
        try:
            self._handle.update(_Html(self._html()))
        except Exception as error:  # runs may change meanwhile: the next update is soon
            logger.debug("the screen was not drawn: %s", error)

    def _html(self) -> str:
        assert self._draw is not None
        console = Console(
            file=StringIO(), record=True, width=COLUMNS, height=ROWS, force_terminal=True, force_jupyter=False
        )
        console.print(self._draw())
        return console.export_html(inline_styles=True, code_format=_FORMAT)


class _Html:
    """Content that a notebook shows as HTML, and a plain reader of the notebook as its text."""

    def __init__(self, html: str) -> None:
        self._repr_html = html

    def _repr_html_(self) -> str:
        return self._repr_html

    def __repr__(self) -> str:
        return "<progress of a sweep>"
