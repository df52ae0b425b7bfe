"""Calls that other threads hand to the driver's thread, which alone changes the controller and the ledger."""

from __future__ import annotations

import logging
import queue
from collections.abc import Callable

logger = logging.getLogger(__name__)


class DriverCalls:
    """Queue of calls; the driver's thread runs them wherever it has control.

    Example:
        >>> calls, done = DriverCalls(), []
        >>> calls.add(lambda: done.append("paused"))
        >>> calls.run_pending()
        >>> done
        ['paused']
    """

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()

    def add(self, call: Callable[[], None]) -> None:
        """Add a call; it must not raise."""
        self._queue.put(call)

    def run_pending(self) -> None:
        """Run the calls that were added, in their order."""
        while not self._queue.empty():
            call = self._queue.get_nowait()
            try:
                call()
            except Exception:  # in a hook of Tune it would end the sweep
                logger.exception("a call to the driver failed")
