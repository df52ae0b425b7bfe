"""Handler of SIGINT, SIGTERM and SIGHUP: interrupts at once, or after the running epochs while jobs run."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""Signals that stop a sweep; a terminal that is closed sends the last."""

GRACE = 3.0
"""Seconds for a clean shutdown after a second signal: Ray and MLflow may take minutes."""


INTERRUPTED = "Interrupted"
"""Cause of a sweep's end if a signal came."""


class SignalHandler:
    """Handler of the signals while the context `installed` is open. `nohup` keeps SIGHUP from stopping a sweep.

    Args:
        grace: seconds from the second signal to `force_exit`.

    Attributes:
        stopping: set by the first signal and never cleared, since libraries may swallow a KeyboardInterrupt.
        stopped_by: user and host that stopped the sweep from another terminal; None after a signal.
        insisted: whether a second signal came, so that the sweep ends at once.
        force_exit: called with a sentence to end the process if it still runs `grace` seconds after a second signal.
    """

    def __init__(self, grace: float = GRACE) -> None:
        self.stopping = threading.Event()
        self.stopped_by: str | None = None
        self.insisted = False
        self.force_exit: Callable[[str], None] | None = None
        self._grace = grace
        self._timer: threading.Timer | None = None
        self._deferred = False
        # Python handles signals in the main thread only; a sweep of another thread leaves them as they are.
        main = threading.current_thread() is threading.main_thread()
        self._numbers = [number for number in SIGNALS if main and not _ignores_hangup(number)]

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Raise KeyboardInterrupt at a signal inside the context; restore the earlier handlers at its end."""
        before = {number: signal.getsignal(number) for number in self._numbers}
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
        for number in self._numbers:
            signal.signal(number, self._handle)

    @contextmanager
    def defer(self) -> Iterator[None]:
        """Note the first signal only, so that running epochs can end; raise KeyboardInterrupt at the second."""
        self._deferred = True
        try:
            yield
        finally:
            self._deferred = False

    @property
    def interrupts(self) -> bool:
        """True if a stop can interrupt the sweep: the main thread of its program runs it."""
        return bool(self._numbers)

    def stop(self, by: str, now: bool) -> None:
        """Stop the sweep from another thread as a signal to this process does, if it `interrupts`.

        Args:
            by: user and host that asked for it.
            now: as the second signal, which does not wait for the running epochs.
        """
        self.stopped_by = by
        if now:
            self.stopping.set()
        if not self.interrupts:
            self.stopping.set()
            return
        # To the main thread, so that it interrupts a system call there.
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    @property
    def cause(self) -> str:
        """Cause of the sweep's end, as words that begin a sentence: a signal, or a user at another terminal."""
        return f"Stopped by {self.stopped_by}" if self.stopped_by else INTERRUPTED

    def _handle(self, number: int, frame: FrameType | None) -> None:
        second = self.stopping.is_set()
        note_only = self._deferred and not second
        self.insisted = second
        self.stopping.set()
        if second and self.force_exit and self._timer is None:
            self._timer = threading.Timer(self._grace, self.force_exit, (f"{self.cause}.",))
            self._timer.daemon = True
            self._timer.start()
        if not note_only:
            raise KeyboardInterrupt


def _ignores_hangup(number: int) -> bool:
    """Return whether a signal is SIGHUP and this process was started to ignore it."""
    return number not in (signal.SIGINT, signal.SIGTERM) and signal.getsignal(number) is signal.SIG_IGN
