"""The process that an `UploaderProcess` starts: `python -m orchestrator.tracking.uploader_main SPOOL`.

It uploads the spool until a line on its standard input asks it to finish, and exits immediately if that input ends. On
its standard output it writes a line of JSON after each batch: whether it arrived, and the ids of new runs.
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
from orchestrator.tracking.destination import stored_destination
from orchestrator.tracking.spool import Spool
from orchestrator.tracking.uploader import Sink, SpoolUploader
from orchestrator.tracking.uploader_process import FINISH


class ReportingUploader(SpoolUploader):
    """An uploader that reports changes after every batch.

    Args:
        spool: the spool.
        open_sink: opens the sink.
        report: called with `error` and, if a batch has arrived, `experiment_id` and the new `run_ids`.
    """

    def __init__(self, spool: Spool, open_sink: Callable[[], Sink], report: Callable[[dict[str, Any]], None]) -> None:
        super().__init__(spool, open_sink)
        self._report = report
        self._last_report: dict[str, Any] = {}
        self._reported_ids: dict[str, str] = {}

    def upload_batch(self) -> bool:
        """Send one batch and report what changed."""
        more = super().upload_batch()
        report: dict[str, Any] = {"error": self.error}
        if self.sink is not None and self.error is None:
            sink: Any = self.sink
            new = {key: run for key, run in sink.run_ids.items() if self._reported_ids.get(key) != run}
            self._reported_ids |= new
            report |= {"experiment_id": sink.experiment_id, "run_ids": new}
        if report != self._last_report:
            self._report(report)
            self._last_report = report
        return more


def main(folder: Path) -> int:
    """Upload a spool until the driver asks to finish; return the exit code."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the process ends with the driver, not before
    os.nice(5)  # trials come first
    reports = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)  # output of libraries belongs in the log
    send_logs_to(logging.StreamHandler(sys.stderr))

    def report(content: dict[str, Any]) -> None:
        print(json.dumps(content), file=reports)

    try:
        target = stored_destination(Spool(folder))
        if target is None:
            raise FileNotFoundError(f"{folder} does not name its MLflow")
        uploader = ReportingUploader(Spool(folder), target.open, report)
        threading.Thread(target=_watch_input, args=(uploader,), daemon=True).start()
        uploader.run()
    except Exception as error:
        logging.getLogger(__name__).exception("the events are not uploaded")
        report({"error": f"{type(error).__name__}: {error}"})
        return 1
    return 0


def _watch_input(uploader: SpoolUploader) -> None:
    """Finish the upload if the driver asks for it, and exit with the driver."""
    if sys.stdin.buffer.readline() == FINISH:
        uploader.request_finish()
        sys.stdin.buffer.read()
    os._exit(1)


if __name__ == "__main__":
    code = main(Path(sys.argv[1]))
    logging.shutdown()
    os._exit(code)  # without waiting for a request that hangs in a library's thread
