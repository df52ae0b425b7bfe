"""The courier: a sweep's drain in a process of its own, for talking to MLflow would hold up the driver's interpreter.

The process ends with the driver, however that ends, since its standard input does. What it was carrying then is carried
again by whoever goes on, and is the same to MLflow. Where it ends by itself, another is started.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from orchestrator.tracking.drain import LAST_WORD, LONGEST_PAUSE, Drain, Sink
from orchestrator.tracking.spool import Spool
from orchestrator.tracking.target import remembered_target

logger = logging.getLogger(__name__)

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_FINISH = b"finish\n"


@dataclass(frozen=True)
class Runs:
    """Where a sweep's runs are in MLflow.

    Attributes:
        experiment_id: MLflow's id of the experiment.
        run_ids: MLflow's ids of the runs by their keys.
    """

    experiment_id: str
    run_ids: Mapping[str, str]

    def run_id(self, key: str) -> str | None:
        """MLflow's id of the run with this key, None where it was not made."""
        return self.run_ids.get(key)


class Courier:
    """Carries the spool to the target that is remembered with it.

    Attributes:
        error: why the last batch did not arrive, None where it did.
        sink: where the runs are; known once the courier is closed.

    Args:
        spool: what to carry.
        pause: seconds before another process is started for one that ended by itself; ever longer.
    """

    def __init__(self, spool: Spool, pause: float = 1.0) -> None:
        self._spool = spool
        self._pause = pause
        self.error: str | None = None
        self.sink: Runs | None = None
        self._finish = threading.Event()
        self._given_up = False
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="courier", daemon=True)

    def start(self) -> None:
        """Begins to carry."""
        self._thread.start()

    @property
    def process_id(self) -> int | None:
        """Of the process that carries now."""
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
                waited = time.monotonic() - began
                if waited >= (min(timeout, LAST_WORD) if self.error else timeout):
                    with self._lock:
                        self._given_up = True
                        if self._process:
                            self._process.kill()
                self._thread.join(0.05)
        return self._spool.left()

    def _run(self) -> None:
        pause = self._pause
        while True:
            last = self._start()
            began = time.monotonic()
            code = self._listen()
            if code == 0 or last or self._given_up:
                return
            self.error = f"the process that carries events to MLflow ended with {code}"
            logger.warning("%s; another is started", self.error)
            pause = self._pause if time.monotonic() - began > LONGEST_PAUSE else min(2 * pause, LONGEST_PAUSE)
            self._finish.wait(pause)

    def _start(self) -> bool:
        """Starts the process; whether it has to finish at once."""
        with self._lock:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(self._spool.folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,  # a Ctrl-C is the driver's, which has a last word for MLflow
            )
            if last := self._finish.is_set():
                self._ask_to_finish()
        return last

    def _ask_to_finish(self) -> None:
        if self._process and self._process.stdin and not self._process.stdin.closed:
            with suppress(OSError):  # it has ended
                self._process.stdin.write(_FINISH)
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
        if "runs" in said:
            self.sink = Runs(**said["runs"])
        else:
            self.error = said["error"]


class _TellingDrain(Drain):
    """A drain that says when it fails, and when it no longer does."""

    def __init__(self, spool: Spool, open_sink: Callable[[], Sink], say: Callable[[Any], None]) -> None:
        super().__init__(spool, open_sink)
        self._say = say
        self._said: str | None = "nothing yet"

    def attempt(self) -> bool:
        more = super().attempt()
        if self.error != self._said:
            self._say({"error": self.error})
            self._said = self.error
        return more


def main(folder: Path) -> None:
    """What the process does: carries until it is told to finish, then says where the runs are."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # it ends with the driver, not before
    said = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print is for the log
    logging.basicConfig(format=LOG_FORMAT, level=logging.INFO, stream=sys.stderr)
    logging.captureWarnings(True)
    spool = Spool(folder)
    target = remembered_target(spool)
    if target is None:
        raise SystemExit(f"{folder} does not say which MLflow it goes to")
    drain = _TellingDrain(spool, target.open, lambda words: print(json.dumps(words), file=said))

    def heed() -> None:
        if sys.stdin.buffer.readline() == _FINISH:
            drain.ends()
            sys.stdin.buffer.read()
        os._exit(1)  # the driver has ended

    threading.Thread(target=heed, daemon=True).start()
    drain.run()
    if drain.sink is not None:
        sink: Any = drain.sink
        print(json.dumps({"runs": asdict(Runs(sink.experiment_id, sink.run_ids))}), file=said)
    said.close()
    os._exit(0)  # a request that hangs in a thread of a library's is not waited for


if __name__ == "__main__":
    main(Path(sys.argv[1]))
