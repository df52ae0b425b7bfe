"""Ctrl-C and SIGTERM: at once while a sweep gets ready, after the running epochs while jobs run."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """Takes both signals over, for as long as it is entered.

    Attributes:
        stopping: set by the first signal, for good. Libraries swallow a KeyboardInterrupt here and there; what
            asks this instead still learns of it.
    """

    def __init__(self) -> None:
        self.stopping = threading.Event()
        self._patient = False

    @contextmanager
    def taken_over(self) -> Iterator[None]:
        """Inside, a signal raises KeyboardInterrupt."""
        before = {number: signal.getsignal(number) for number in _SIGNALS}
        self.take_over()
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def take_over(self) -> None:
        """Takes the signals again where a library has taken them meanwhile, as Ray takes SIGTERM when it starts."""
        for number in _SIGNALS:
            signal.signal(number, self._stop)

    @contextmanager
    def patient(self) -> Iterator[None]:
        """Inside, the first signal is only noted, so that running epochs can end; the second raises."""
        self._patient = True
        try:
            yield
        finally:
            self._patient = False

    def _stop(self, number: int, frame: FrameType | None) -> None:
        wait = self._patient and not self.stopping.is_set()
        self.stopping.set()
        if not wait:
            raise KeyboardInterrupt
