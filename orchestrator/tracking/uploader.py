"""The uploader: sends a spool to a sink in batches, and retries with growing pauses while the sink is unavailable."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from filelock import FileLock, Timeout
from tenacity import RetryCallState, Retrying, retry_if_result, sleep_using_event, stop_before_delay
from tenacity.wait import wait_exponential

from orchestrator.tracking.event import Event
from orchestrator.tracking.spool import Spool

logger = logging.getLogger(__name__)

MAX_PAUSE_SECONDS = 30.0
"""Longest pause between two attempts."""

CLOSE_SECONDS = 10.0
"""Seconds that closing waits for a sink whose last attempt failed."""


class Sink(Protocol):
    """Destination of events."""

    def send(self, events: list[Event]) -> None:
        """Send events in order; the same events may be sent again.

        Raises:
            Refused: some of them will never be accepted; all others have arrived.
            Exception: any other error means that not all of them have arrived.
        """


class Refused(Exception):
    """Events that a sink will never accept, each with the reason; the others of the batch have arrived."""

    def __init__(self, events: Sequence[tuple[Event, str]]) -> None:
        super().__init__(f"{len(events)} events are refused: {events[0][1]}")
        self.events = events


class SpoolLocked(Exception):
    """Another process uploads this spool."""


class SpoolUploader:
    """Send the spool to a sink in batches. One uploader at a time sends a spool, in any process.

    Args:
        spool: the spool.
        open_sink: opens the sink, once there is an event; to connect and to import MLflow takes seconds. It is called
            again after a failure, so that work whose answer was lost is found instead of done twice.
        interval: seconds between batches.

    Attributes:
        sink: the open sink; None before the first batch.
        error: reason why the last batch did not arrive; None if it did.
    """

    def __init__(self, spool: Spool, open_sink: Callable[[], Sink], interval: float = 1.0) -> None:
        self._spool = spool
        self._open_sink = open_sink
        self._interval = interval
        self.sink: Sink | None = None
        self._must_reopen = True
        self._failures = 0
        self._spool_lock = FileLock(spool.folder / ".draining", thread_local=False)
        self._finish = threading.Event()
        self._finishing = False
        self._thread = threading.Thread(target=self.run, name="mlflow-uploader", daemon=True)
        self.error: str | None = None

    def start(self) -> None:
        """Start to upload in a thread."""
        self._thread.start()

    def request_finish(self) -> None:
        """Let `run` return once all events have arrived, or at the next failure."""
        self._finish.set()

    def close(self, timeout: float) -> int:
        """Upload what is unsent, for at most `timeout` seconds; return the number of events that are still unsent.

        If the sink fails, wait at most `CLOSE_SECONDS`: the events stay on disk.
        """
        self.request_finish()
        if self._thread.ident is not None:
            start = time.monotonic()
            while self._thread.is_alive():
                waited = time.monotonic() - start
                if waited >= (min(timeout, CLOSE_SECONDS) if self.error else timeout):
                    break
                self._thread.join(0.05)
        return self._spool.count_unsent()

    def run(self) -> None:
        """Upload in the caller's thread until `request_finish`."""
        retrying = self._retrying(sleep=sleep_using_event(self._finish), stop=lambda state: self._finishing)
        try:
            while (more := retrying(self._upload_and_note_finish)) or not self._finishing:
                if not more:
                    self._finish.wait(self._interval)
        finally:
            self.release()

    def finish(self, retry_seconds: float) -> int:
        """Upload what is unsent in the caller's thread; give up after `retry_seconds` of failures.

        Returns:
            Number of events that are still unsent; `error` is the reason.
        """
        retrying = self._retrying(stop=stop_before_delay(retry_seconds))
        try:
            while retrying(self.upload_batch):
                pass
        finally:
            self.release()
        return self._spool.count_unsent()

    def _retrying(self, **options: Any) -> Retrying:
        """Return a caller of `upload_batch` that retries failed batches, and returns False if it gives up."""
        return Retrying(
            retry=retry_if_result(self._failed),
            wait=wait_exponential(multiplier=self._interval, max=MAX_PAUSE_SECONDS),
            retry_error_callback=_give_up,
            **options,
        )

    def _failed(self, more: bool) -> bool:
        return self.error is not None

    def _upload_and_note_finish(self) -> bool:
        self._finishing = self._finish.is_set()  # before the batch, so that the last one has everything
        return self.upload_batch()

    def upload_batch(self) -> bool:
        """Send one batch; return False if no event was unsent. A failure is not raised but stored in `error`."""
        try:
            more = self.send_batch()
            if not more and self._failures and not self._must_reopen:
                # A request that timed out may have been done after the sink looked for the run.
                self.sink, self._failures = self._open_sink(), 0
            self.error = None
            return more
        except SpoolLocked as locked:
            self.error = str(locked)
        except Exception as error:
            self.error = " ".join(f"{type(error).__name__}: {error}".split())
            self._failures += 1
            self._must_reopen = True
            logger.warning("MLflow did not take the events: %s", self.error)
        return True

    def send_batch(self) -> bool:
        """Send one batch; return False if no event was unsent."""
        if not self._spool.folder.is_dir():
            return False
        events, position = self._spool.read()
        if not events:
            return False
        if not self._spool_lock.is_locked:
            self._acquire()
            events, position = self._spool.read()  # another process may have sent some of them
        if self.sink is None or self._must_reopen:
            self.sink = self._open_sink()
            self._must_reopen = False
        try:
            self.sink.send(events)
        except Refused as refused:
            for event, reason in refused.events:
                logger.warning("MLflow will not take %s of %s: %s", event.kind, event.run, reason)
                self._spool.store_refused(event, reason)
        self._spool.mark_sent(position)
        self._spool.release(events)
        return True

    def release(self) -> None:
        """Let another process upload the spool."""
        if self._spool_lock.is_locked:
            self._spool_lock.release()

    def _acquire(self) -> None:
        try:
            self._spool_lock.acquire(timeout=0)
        except Timeout:
            raise SpoolLocked("another process is sending this sweep's events") from None


def _give_up(state: RetryCallState) -> bool:
    """Return what `upload_batch` returns if there is nothing to do."""
    return False
