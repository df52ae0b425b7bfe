"""The courier: a sweep's drain in a process of its own, for talking to MLflow would hold up the driver's interpreter.

The process is `orchestrator.tracking.uploader_main`.
It ends with the driver, however that ends, since its standard input does.
What it was carrying then is carried again by whoever goes on, and is the same to MLflow. Where it ends by itself,
another is started.
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

from orchestrator.tracking.spool import Spool
from orchestrator.tracking.uploader import LAST_WORD, LONGEST_PAUSE

logger = logging.getLogger(__name__)

FINISH = b"finish\n"
"""What the process is told at the end, on its standard input."""

_END = 5.0
"""Seconds that a process which was killed is waited for: one in the middle of a hanging file server does not end."""


@dataclass
class MlflowRunIds:
    """Where a sweep's runs are in MLflow, as far as it is known.

    Attributes:
        experiment_id: MLflow's id of the experiment.
        run_ids: MLflow's ids of the runs by their keys.
    """

    experiment_id: str
    run_ids: dict[str, str] = field(default_factory=dict)

    def run_id(self, key: str) -> str | None:
        """MLflow's id of the run with this key, None where it was not made."""
        return self.run_ids.get(key)


class UploaderProcess:
    """Carries the spool to the target that is remembered with it.

    Attributes:
        error: why the last batch did not arrive, None where it did.
        sink: where the runs are; None until a batch has arrived.

    Args:
        spool: what to carry.
        pause: seconds before another process is started for one that ended by itself; ever longer.
    """

    def __init__(self, spool: Spool, pause: float = 1.0) -> None:
        self._spool = spool
        self._pause = pause
        self.error: str | None = None
        self.sink: MlflowRunIds | None = None
        self._finish = threading.Event()
        self._given_up = False
        self._refused = False
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="courier", daemon=True)

    def start(self) -> None:
        """Begins to carry."""
        self._thread.start()

    @property
    def process_id(self) -> int | None:
        """Of the process that carries now, or was the last to."""
        return self._process.pid if self._process else None

    def close(self, timeout: float) -> int:
        """Carries what is left, for `timeout` seconds at most; gives how many events are still left.

        Where MLflow fails, ten seconds are enough: what is left waits on disk.
        """
        with self._lock:
            self._finish.set()
            self._ask_to_finish()
        if self._thread.ident is not None:
            began = time.monotonic()
            while self._thread.is_alive():
                waited, most = time.monotonic() - began, min(timeout, LAST_WORD) if self._refused else timeout
                if waited >= most + _END:
                    break
                if waited >= most:
                    self._give_up()
                self._thread.join(0.05)
        return self._spool.left()

    def _give_up(self) -> None:
        with self._lock:
            self._given_up = True
            if self._process:
                self._process.kill()

    def _run(self) -> None:
        pause = self._pause
        while True:
            began, last = time.monotonic(), self._finish.is_set()
            try:
                last = self._start()
                code = self._listen()
                if code == 0:
                    return
                self.error = self.error or f"the process that carries events to MLflow ended with {code}"
            except OSError as error:  # there is no memory for another process
                self.error = f"no process carries events to MLflow: {error}"
            if last or self._given_up:
                return
            logger.warning("%s; another is started", self.error)
            if time.monotonic() - began > LONGEST_PAUSE:
                pause = self._pause
            self._finish.wait(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    def _start(self) -> bool:
        """Starts the process; whether it has to finish at once."""
        with self._lock:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "orchestrator.tracking.uploader_main", str(self._spool.folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,  # a Ctrl-C is the driver's, which has a last word for MLflow
            )
            self.error, self._refused = None, False  # of the one before
            if last := self._finish.is_set():
                self._ask_to_finish()
        return last

    def _ask_to_finish(self) -> None:
        if self._process and self._process.stdin and not self._process.stdin.closed:
            with suppress(OSError):  # it has ended
                self._process.stdin.write(FINISH)
                self._process.stdin.flush()

    def _listen(self) -> int:
        """Takes what the process says until it ends; gives its exit code."""
        process = self._process
        assert process and process.stdout and process.stdin
        with process.stdout:
            for line in process.stdout:
                with suppress(ValueError):  # half a line, of one that was killed
                    self._take(json.loads(line))
        code = process.wait()
        with self._lock, suppress(OSError):
            process.stdin.close()
        return code

    def _take(self, said: dict[str, Any]) -> None:
        self.error, self._refused = said["error"], said["error"] is not None
        if experiment := said.get("experiment_id"):
            before = self.sink.run_ids if self.sink else {}
            self.sink = MlflowRunIds(experiment, before | said["run_ids"])
