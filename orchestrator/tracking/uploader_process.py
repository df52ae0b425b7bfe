"""An uploader in a process of its own, so that requests to MLflow do not delay the driver.

The process is `orchestrator.tracking.uploader_main`. It ends with the driver, in whichever way that ends, because its
standard input does. A batch that was in progress is sent again when the sweep is resumed, which changes nothing in
MLflow. If the process ends by itself, another is started.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from tenacity import RetryCallState, Retrying, retry_if_result, sleep_using_event
from tenacity.wait import wait_exponential

from orchestrator.tracking.spool import Spool
from orchestrator.tracking.uploader import CLOSE_SECONDS, MAX_PAUSE_SECONDS

logger = logging.getLogger(__name__)

FINISH = b"finish\n"
"""Line on the process's standard input that asks it to finish."""

_KILL_SECONDS = 5.0
"""Seconds to wait for a killed process, which does not end while a file server hangs."""


@dataclass
class MlflowRunIds:
    """Ids of a sweep's runs in MLflow, as far as they are known.

    Attributes:
        experiment_id: MLflow's id of the experiment.
        run_ids: MLflow's ids of the runs by their keys.
    """

    experiment_id: str
    run_ids: dict[str, str] = field(default_factory=dict)

    def run_id(self, key: str) -> str | None:
        """Return MLflow's id of the run with this key, None if it is not known."""
        return self.run_ids.get(key)


class UploaderProcess:
    """Upload the spool, in another process, to the destination that is stored with it.

    Attributes:
        error: reason why the last batch did not arrive; None if it did.
        sink: ids of the runs; None before the first batch has arrived.

    Args:
        spool: the spool.
        pause: seconds before a process that ended by itself is replaced; doubled each time.
        delay: seconds that the first process waits for `begin`, so that its imports do not delay the first trials.
    """

    def __init__(self, spool: Spool, pause: float = 1.0, delay: float = 0.0) -> None:
        self._spool = spool
        self._pause = pause
        self._delay = delay
        self._begin = threading.Event()
        self.error: str | None = None
        self.sink: MlflowRunIds | None = None
        self._finish = threading.Event()
        self._given_up = False
        self._finishing = False
        self._failing = False
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="uploader-process", daemon=True)

    def start(self) -> None:
        """Start to upload, after the delay."""
        self._thread.start()

    def begin(self) -> None:
        """End the delay."""
        self._begin.set()

    @property
    def process_id(self) -> int | None:
        """Id of the current process, or of the last one."""
        return self._process.pid if self._process else None

    def close(self, timeout: float) -> int:
        """Upload what is unsent, for at most `timeout` seconds; return the number of events that are still unsent.

        If MLflow fails, wait at most `CLOSE_SECONDS`: the events stay on disk.
        """
        self.begin()
        with self._lock:
            self._finish.set()
            self._ask_to_finish()
        if self._thread.ident is not None:
            start = time.monotonic()
            while self._thread.is_alive():
                waited, most = time.monotonic() - start, min(timeout, CLOSE_SECONDS) if self._failing else timeout
                if waited >= most + _KILL_SECONDS:
                    break
                if waited >= most:
                    self._give_up()
                self._thread.join(0.05)
        return self._spool.count_unsent()

    def _give_up(self) -> None:
        with self._lock:
            self._given_up = True
            if self._process:
                self._process.kill()

    def _run(self) -> None:
        """Run processes until one ends as asked; begin with a short pause again after one that ran for long."""
        self._begin.wait(self._delay)
        while True:
            retrying = Retrying(
                retry=retry_if_result(lambda ran_long: ran_long is False),
                stop=lambda state: self._finishing or self._given_up,
                wait=wait_exponential(multiplier=self._pause, max=MAX_PAUSE_SECONDS),
                sleep=sleep_using_event(self._finish),
                retry_error_callback=_stop,
            )
            ran_long = retrying(self._run_process)
            if ran_long is None or self._finishing or self._given_up:
                return
            self._finish.wait(self._pause)

    def _run_process(self) -> bool | None:
        """Run a process to its end; return None if it ended as asked, else whether it ran for long."""
        start, self._finishing = time.monotonic(), self._finish.is_set()
        try:
            self._finishing = self._start()
            code = self._listen()
            if code == 0:
                return None
            self.error = self.error or f"the process that uploads events to MLflow ended with {code}"
        except OSError as error:  # for example, no memory for another process
            self.error = f"no process uploads events to MLflow: {error}"
        if not self._finishing and not self._given_up:
            logger.warning("%s; another is started", self.error)
        return time.monotonic() - start > MAX_PAUSE_SECONDS

    def _start(self) -> bool:
        """Start the process; return whether it was asked to finish at once."""
        with self._lock:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "orchestrator.tracking.uploader_main", str(self._spool.folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,  # Ctrl-C is for the driver, which still has events to send
            )
            self.error, self._failing = None, False  # those of the process before
            if finishing := self._finish.is_set():
                self._ask_to_finish()
        return finishing

    def _ask_to_finish(self) -> None:
        if self._process and self._process.stdin and not self._process.stdin.closed:
            with suppress(OSError):  # the process has ended
                self._process.stdin.write(FINISH)
                self._process.stdin.flush()

    def _listen(self) -> int:
        """Read the process's reports until it ends; return its exit code."""
        process = self._process
        assert process and process.stdout and process.stdin
        with process.stdout:
            for line in process.stdout:
                with suppress(ValueError):  # half a line of a killed process
                    self._update(json.loads(line))
        code = process.wait()
        with self._lock, suppress(OSError):
            process.stdin.close()
        return code

    def _update(self, report: dict[str, Any]) -> None:
        self.error, self._failing = report["error"], report["error"] is not None
        if experiment := report.get("experiment_id"):
            known = self.sink.run_ids if self.sink else {}
            self.sink = MlflowRunIds(experiment, known | report["run_ids"])


def _stop(state: RetryCallState) -> None:
    """Return None, as if the process had ended as asked."""
