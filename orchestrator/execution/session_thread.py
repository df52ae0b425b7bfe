"""Session of an executor in a thread of its own, so that a cluster starts while the data of a sweep are read."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import cached_property
from typing import TYPE_CHECKING

from orchestrator.core.spec import SweepSpec

if TYPE_CHECKING:
    from orchestrator.execution.executor import Executor

logger = logging.getLogger(__name__)


class SessionThread:
    """Open an executor's session in a thread, which closes it again at the end of the context.

    The thread lives as long as the session, since Linux ends the processes that a thread started with that thread. A
    signal interrupts the main thread only, and so never the start of Ray, which would crash.

    Args:
        make_executor: returns the executor that opens the session; called when it is first needed.
        spec: settings of the sweep.
    """

    def __init__(self, make_executor: Callable[[], Executor], spec: SweepSpec) -> None:
        self._make_executor = make_executor
        self._spec = spec
        self._opened: Future[None] = Future()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="executor-session", daemon=True)

    @cached_property
    def executor(self) -> Executor:
        """Executor that opens the session."""
        return self._make_executor()

    def start(self) -> None:
        """Begin to open the session; return at once."""
        if self._thread.ident is None:
            _ = self.executor
            self._thread.start()

    def wait(self) -> None:
        """Wait until the session is open; raise the error that kept it from opening."""
        self.start()
        self._opened.result()

    def request_close(self) -> None:
        """Begin to close the session; return at once."""
        self._closing.set()

    def close(self) -> None:
        """Close the session if it was begun to open; wait until it is closed."""
        self.request_close()
        if self._thread.ident is not None:
            self._thread.join()

    def close_after_error(self, kind: type[BaseException] | None, *error: object) -> None:
        """Close the session if a context ends with an error."""
        if kind:
            self.close()

    def __enter__(self) -> SessionThread:
        return self

    def __exit__(self, *error: object) -> None:
        """Close the session."""
        self.close()

    def _run(self) -> None:
        try:
            with self.executor.session(self._spec):
                self._opened.set_result(None)
                self._closing.wait()
        except BaseException as error:
            if not self._opened.done():
                self._opened.set_exception(error)
            else:
                logger.exception("the session did not close")


def ray_session_thread(spec: SweepSpec) -> SessionThread:
    """Return the session of Ray Tune for a sweep, not begun to open."""

    def ray_tune() -> Executor:
        from orchestrator.execution import tune_runner  # here, since it imports Optuna

        return tune_runner.RayTune()

    return SessionThread(ray_tune, spec)
