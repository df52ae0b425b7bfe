"""The process that a courier starts: `python -m orchestrator.tracking.uploader_main SPOOL`.

It carries the spool until it is told on its standard input to finish, and ends at once where that ends. On its standard
output it says, a line of JSON each time, whether the last batch arrived and which runs were made.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from orchestrator.core.logging_setup import send_logs_to
from orchestrator.tracking.destination import remembered_target
from orchestrator.tracking.spool import Spool
from orchestrator.tracking.uploader import Sink, SpoolUploader
from orchestrator.tracking.uploader_process import FINISH


class ReportingUploader(SpoolUploader):
    """A drain that says what changed after every batch.

    Args:
        spool: what to carry.
        open_sink: makes the sink.
        say: told `error` and, where a batch has arrived, `experiment_id` and the `run_ids` that are new.
    """

    def __init__(self, spool: Spool, open_sink: Callable[[], Sink], say: Callable[[dict[str, Any]], None]) -> None:
        super().__init__(spool, open_sink)
        self._say = say
        self._said: dict[str, Any] = {}
        self._told: dict[str, str] = {}

    def upload_batch(self) -> bool:
        """Sends one batch."""
        more = super().upload_batch()
        said: dict[str, Any] = {"error": self.error}
        if self.sink is not None and self.error is None:
            sink: Any = self.sink
            new = {key: run for key, run in sink.run_ids.items() if self._told.get(key) != run}
            self._told |= new
            said |= {"experiment_id": sink.experiment_id, "run_ids": new}
        if said != self._said:
            self._say(said)
            self._said = said
        return more


def main(folder: Path) -> int:
    """Carries until it is told to finish."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # it ends with the driver, not before
    os.nice(5)  # trials come first
    said = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print is for the log
    send_logs_to(logging.StreamHandler(sys.stderr))

    def say(words: dict[str, Any]) -> None:
        print(json.dumps(words), file=said)

    try:
        target = remembered_target(Spool(folder))
        if target is None:
            raise FileNotFoundError(f"{folder} does not say which MLflow it goes to")
        uploader = ReportingUploader(Spool(folder), target.open, say)
        threading.Thread(target=_heed, args=(uploader,), daemon=True).start()
        uploader.run()
    except Exception as error:
        logging.getLogger(__name__).exception("the events are not carried")
        say({"error": f"{type(error).__name__}: {error}"})
        return 1
    return 0


def _heed(uploader: SpoolUploader) -> None:
    """Lets the drain finish when the driver says so, and ends with the driver."""
    if sys.stdin.buffer.readline() == FINISH:
        uploader.finish_soon()
        sys.stdin.buffer.read()
    os._exit(1)


if __name__ == "__main__":
    code = main(Path(sys.argv[1]))
    logging.shutdown()
    os._exit(code)  # a request that hangs in a library's thread is not waited for
