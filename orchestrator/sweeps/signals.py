"""Ctrl-C and SIGTERM: at once while a sweep gets ready, after the running epochs while jobs run; the second at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)

GRACE = 3.0
"""Seconds that a second signal leaves for a clean end: Ray and MLflow may take minutes to let go."""


class SignalHandler:
    """Takes both signals over, for as long as it is entered.

    Args:
        grace: seconds from the second signal to `last_word`.

    Attributes:
        stopping: set by the first signal, for good. Libraries swallow a KeyboardInterrupt here and there; what
            asks this instead still learns of it.
        last_word: ends the process, with a sentence, where it has not ended soon after a second signal.
    """

    def __init__(self, grace: float = GRACE) -> None:
        self.stopping = threading.Event()
        self.last_word: Callable[[str], None] | None = None
        self._grace = grace
        self._timer: threading.Timer | None = None
        self._patient = False

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Inside, a signal raises KeyboardInterrupt."""
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
        """Takes the signals again where a library has taken them meanwhile, as Ray takes SIGTERM when it starts."""
        for number in _SIGNALS:
            signal.signal(number, self._stop)

    @contextmanager
    def defer(self) -> Iterator[None]:
        """Inside, the first signal is only noted, so that running epochs can end; the second raises."""
        self._patient = True
        try:
            yield
        finally:
            self._patient = False

    def _stop(self, number: int, frame: FrameType | None) -> None:
        second = self.stopping.is_set()
        wait = self._patient and not second
        self.stopping.set()
        if second and self.last_word and self._timer is None:
            self._timer = threading.Timer(self._grace, self.last_word, ("Interrupted.",))
            self._timer.daemon = True
            self._timer.start()
        if not wait:
            raise KeyboardInterrupt
