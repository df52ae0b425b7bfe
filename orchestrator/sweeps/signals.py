"""Handler of SIGINT and SIGTERM: interrupts at once, or after the running epochs while jobs run."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)

GRACE = 3.0
"""Seconds for a clean shutdown after a second signal: Ray and MLflow may take minutes."""


class SignalHandler:
    """Handler of both signals while the context `installed` is open.

    Args:
        grace: seconds from the second signal to `force_exit`.

    Attributes:
        stopping: set by the first signal and never cleared, since libraries may swallow a KeyboardInterrupt.
        force_exit: called with a sentence to end the process if it still runs `grace` seconds after a second signal.
    """

    def __init__(self, grace: float = GRACE) -> None:
        self.stopping = threading.Event()
        self.force_exit: Callable[[str], None] | None = None
        self._grace = grace
        self._timer: threading.Timer | None = None
        self._deferred = False

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Raise KeyboardInterrupt at a signal inside the context; restore the earlier handlers at its end."""
        before = {number: signal.getsignal(number) for number in _SIGNALS}
        self.take_over()
        try:
            yield
        finally:
            if self._timer:
                self._timer.cancel()
            for number, handler in before.items():
                signal.signal(number, handler)

    def take_over(self) -> None:
        """Install the handler again if a library has replaced it, as Ray does for SIGTERM when it starts."""
        for number in _SIGNALS:
            signal.signal(number, self._handle)

    @contextmanager
    def defer(self) -> Iterator[None]:
        """Note the first signal only, so that running epochs can end; raise KeyboardInterrupt at the second."""
        self._deferred = True
        try:
            yield
        finally:
            self._deferred = False

    def _handle(self, number: int, frame: FrameType | None) -> None:
        second = self.stopping.is_set()
        note_only = self._deferred and not second
        self.stopping.set()
        if second and self.force_exit and self._timer is None:
            self._timer = threading.Timer(self._grace, self.force_exit, ("Interrupted.",))
            self._timer.daemon = True
            self._timer.start()
        if not note_only:
            raise KeyboardInterrupt
