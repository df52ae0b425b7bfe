"""The drain: carries a spool to a sink, and waits, ever longer, while it is away."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from filelock import FileLock, Timeout

from orchestrator.tracking.event import Event
from orchestrator.tracking.spool import Spool

logger = logging.getLogger(__name__)

LONGEST_PAUSE = 30.0
LAST_WORD = 10.0
"""Seconds that closing waits for a sink that failed when it was last tried."""


class Sink(Protocol):
    """Where events go."""

    def send(self, events: list[Event]) -> None:
        """Takes events in order, and may be given them again.

        Raises:
            Refused: some of them will never be taken; all others have arrived.
            Exception: any other says that not all of them have arrived.
        """


class Refused(Exception):
    """Events that a sink will never take, each with the reason; the rest of what it was given has arrived."""

    def __init__(self, events: Sequence[tuple[Event, str]]) -> None:
        super().__init__(f"{len(events)} events are refused: {events[0][1]}")
        self.events = events


class Busy(Exception):
    """Another process is carrying this spool."""


class SpoolUploader:
    """Carries the spool to a sink in batches. One drain at a time carries a spool, in any process.

    Args:
        spool: what to carry.
        open_sink: makes the sink, once there is something to carry: connecting and importing MLflow take seconds. After
            a failure it is made anew, so that what was done and whose answer was lost is found and not done twice.
        interval: seconds between batches.
    """

    def __init__(self, spool: Spool, open_sink: Callable[[], Sink], interval: float = 1.0) -> None:
        self._spool = spool
        self._open_sink = open_sink
        self._interval = interval
        self.sink: Sink | None = None
        self._in_doubt = True
        self._failures = 0
        self._own = FileLock(spool.folder / ".draining", thread_local=False)
        self._finish = threading.Event()
        self._thread = threading.Thread(target=self.run, name="mlflow-drain", daemon=True)
        self.error: str | None = None

    def start(self) -> None:
        """Begins to carry, in a thread."""
        self._thread.start()

    def finish_soon(self) -> None:
        """Lets `run` return once all has been carried, or at the next failure."""
        self._finish.set()

    def close(self, timeout: float) -> int:
        """Carries what is left, for `timeout` seconds at most; gives how many events are still left.

        Where the sink fails, ten seconds are enough: what is left waits on disk.
        """
        self.finish_soon()
        if self._thread.ident is not None:
            began = time.monotonic()
            while self._thread.is_alive():
                waited = time.monotonic() - began
                if waited >= (min(timeout, LAST_WORD) if self.error else timeout):
                    break
                self._thread.join(0.05)
        return self._spool.left()

    def run(self) -> None:
        """Carries, in the caller's thread, until `ends`."""
        pause = self._interval
        try:
            while True:
                last = self._finish.is_set()
                more = self.upload_batch()
                if last and (not more or self.error):
                    return
                pause = min(2 * pause, LONGEST_PAUSE) if self.error else self._interval
                if not more or self.error:
                    self._finish.wait(pause)
        finally:
            self.release()

    def upload_batch(self) -> bool:
        """Sends one batch; `error` says why it failed, and whatever it is, the sweep goes on. False: nothing left."""
        try:
            more = self.carry()
            if not more and self._failures and not self._in_doubt:
                # A request that was given up may still have been done after the run was looked for.
                self.sink, self._failures = self._open_sink(), 0
            self.error = None
            return more
        except Busy as busy:
            self.error = str(busy)
        except Exception as error:
            self.error = " ".join(f"{type(error).__name__}: {error}".split())
            self._failures += 1
            self._in_doubt = True
            logger.warning("MLflow did not take the events: %s", self.error)
        return True

    def carry(self) -> bool:
        """Sends one batch; False where nothing was left."""
        if not self._spool.folder.is_dir():
            return False
        events, place = self._spool.read()
        if not events:
            return False
        if not self._own.is_locked:
            self._take()
            events, place = self._spool.read()  # whoever had it may have carried some of them
        if self.sink is None or self._in_doubt:
            self.sink = self._open_sink()
            self._in_doubt = False
        try:
            self.sink.send(events)
        except Refused as refused:
            for event, reason in refused.events:
                logger.warning("MLflow will not take %s of %s: %s", event.kind, event.run, reason)
                self._spool.set_aside(event, reason)
        self._spool.mark_sent(place)
        self._spool.release(events)
        return True

    def finish(self, patience: float) -> int:
        """Carries what is left in the caller's thread; gives up after `patience` seconds without an answer.

        Returns:
            How many events are left; `error` says why.
        """
        give_up = time.monotonic() + patience
        pause = self._interval
        try:
            while self.upload_batch():
                if not self.error:
                    give_up, pause = time.monotonic() + patience, self._interval
                elif time.monotonic() + pause > give_up:
                    break
                else:
                    time.sleep(pause)
                    pause = min(2 * pause, LONGEST_PAUSE)
        finally:
            self.release()
        return self._spool.left()

    def release(self) -> None:
        """Lets another process carry."""
        if self._own.is_locked:
            self._own.release()

    def _take(self) -> None:
        try:
            self._own.acquire(timeout=0)
        except Timeout:
            raise Busy("another process is sending this sweep's events") from None
