"""Thread of a sweep's driver that handles the requests of other terminals."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from orchestrator.core.errors import InputError
from orchestrator.core.sweep_folder import LockOwner, Workspace
from orchestrator.core.sweep_requests import RequestAnswer, RequestInbox, RequestKind, SweepRequest
from orchestrator.execution.driver_calls import DriverCalls
from orchestrator.sweeps.signals import SignalHandler

logger = logging.getLogger(__name__)

INTERVAL = 0.5
"""Seconds between two looks into the folder of requests."""

Handler = Callable[[SweepRequest], RequestAnswer]


class RequestPoller:
    """Thread that looks for requests; use it as a context while the sweep runs.

    A request to stop is handled in every phase. Requests about trials wait for the phase in which trials run, and are
    handled in the driver's thread.

    Args:
        workspace: folder of the sweep, which this process has locked.
        signals: stops the sweep as a signal does.
    """

    def __init__(self, workspace: Workspace, signals: SignalHandler) -> None:
        self._workspace = workspace
        self._signals = signals
        self._inbox = RequestInbox(workspace, LockOwner.read(workspace))
        self._early: list[SweepRequest] = []
        self._open: dict[str, SweepRequest] = {}
        self._handler: Handler | None = None
        self._calls: DriverCalls | None = None
        self._over: str | None = None
        self._lock = threading.RLock()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="requests", daemon=True)

    def __enter__(self) -> RequestPoller:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._closing.set()
        self._thread.join(timeout=10 * INTERVAL)
        self._refuse_open("The sweep ended before it came to this.")

    @contextmanager
    def handling(self, handler: Handler, calls: DriverCalls) -> Iterator[None]:
        """Let `handler` handle requests about trials inside the context, among the calls of the driver's thread."""
        with self._lock:
            self._handler, self._calls = handler, calls
            for request in self._early:
                self._queue(request)
            self._early = []
        self.poll()  # before the first job starts
        try:
            yield
        finally:
            with self._lock:
                self._handler, self._over = None, "Its trials are over."
                if self._signals.stopping.is_set():
                    self._over = "The sweep stops already."
            self._refuse_open(self._over)

    def poll(self) -> None:
        """Handle the new requests."""
        with self._lock:
            for request in self._inbox.take():
                if request.kind == RequestKind.STOP:
                    self._stop(request)
                elif self._over:
                    self._inbox.answer(request, RequestAnswer(False, self._over))
                elif self._handler:
                    self._queue(request)
                else:
                    self._early.append(request)

    def _stop(self, request: SweepRequest) -> None:
        now = bool(request.arguments.get("now"))
        if self._signals.stopping.is_set() and not now:
            self._inbox.answer(request, RequestAnswer(True, "It stops already: its running epochs end."))
            return
        # Answered first, since the process may be gone a moment later.
        text = "It stops: its running epochs end, and checkpoints stay."
        if not self._signals.interrupts:
            text = "It stops after its running epochs or the encoding: a program runs it in a thread."
        elif now:
            text = "It stops now."
        self._inbox.answer(request, RequestAnswer(True, text))
        logger.warning("%s asked the sweep to stop%s", request.by, " now" if now else "")
        self._signals.stop(request.by, now)

    def _queue(self, request: SweepRequest) -> None:
        if self._handler and self._calls:
            self._open[request.id] = request
            self._calls.add(partial(self._handle, request, self._handler))

    def _handle(self, request: SweepRequest, handler: Handler) -> None:
        """Handle a request in the driver's thread."""
        if self._open.pop(request.id, None) is None:
            return  # refused meanwhile
        try:
            answer = handler(request)
        except InputError as error:
            answer = RequestAnswer(False, str(error))
        except Exception as error:  # the sweep continues
            logger.exception("the request %s failed", request.id)
            answer = RequestAnswer(False, f"The request failed: {error}")
        self._inbox.answer(request, answer)

    def _refuse_open(self, sentence: str) -> None:
        with self._lock:
            requests, self._early, self._open = [*self._early, *self._open.values()], [], {}
            for request in requests:
                self._inbox.answer(request, RequestAnswer(False, sentence))

    def _run(self) -> None:
        while not self._closing.wait(INTERVAL):
            try:
                self.poll()
            except Exception:  # without the thread no terminal could stop the sweep
                logger.exception("looking for requests failed")
