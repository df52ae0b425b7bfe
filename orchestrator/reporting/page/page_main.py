"""The process that a `PageProcess` starts: `python -m orchestrator.reporting.page.page_main SWEEP_FOLDER CORES`.

It writes the report page of a running sweep from time to time. An empty line on its standard input asks it to load what
the last page needs. The next line, the sweep's result, asks it for that page and the pictures. It exits without them if
the input ends, as it does with the driver.
"""

from __future__ import annotations

import json
import logging
import os
import select
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

from orchestrator.core.logging_setup import send_logs_to
from orchestrator.core.sweep_folder import Workspace
from orchestrator.reporting.page.load_libraries import load_libraries, load_optuna_plots
from orchestrator.reporting.page.page_process import PREPARE
from orchestrator.reporting.page.page_schedule import PageSchedule

logger = logging.getLogger(__name__)


def main(folder: Path, cores: float) -> int:
    """Write pages until the driver sends the result or ends; return the exit code."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the process ends with the driver, not before
    os.nice(10)  # trials and uploads come first
    send_logs_to(logging.StreamHandler(sys.stderr))
    workspace, schedule, start = Workspace(folder), PageSchedule(cores), time.monotonic()
    while not select.select([sys.stdin], [], [], schedule.delay(time.monotonic() - start, _processor_seconds()))[0]:
        try:
            write_running(workspace)
        except Exception:  # any, such as a full disk: the next page may succeed
            logger.exception("the report page was not written")
    line = sys.stdin.buffer.readline()
    if line == PREPARE:
        load_libraries()
        line = sys.stdin.buffer.readline()
    if not line.endswith(b"\n"):
        return 1
    write_finished(workspace, json.loads(line))
    return 0


def write_running(workspace: Workspace) -> None:
    """Write the page of a sweep that runs."""
    load_optuna_plots()
    from orchestrator.reporting.page.write_page import write_page
    from orchestrator.reporting.sweep_record import read_sweep_record

    write_page(read_sweep_record(workspace), running=True)


def write_finished(workspace: Workspace, result: dict[str, object]) -> None:
    """Write the last page and the pictures of a sweep, whose result is not in its folder yet."""
    load_optuna_plots()
    from orchestrator.reporting.page.write_page import write_page, write_pictures
    from orchestrator.reporting.sweep_record import read_sweep_record

    sections = write_page(replace(read_sweep_record(workspace), result=result))
    write_pictures(sections, workspace.report)


def _processor_seconds() -> float:
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


if __name__ == "__main__":
    try:
        code = main(Path(sys.argv[1]), float(sys.argv[2]))
    except Exception:
        logger.exception("the report page was not written")
        code = 1
    logging.shutdown()
    os._exit(code)  # without the clean-up of libraries, for which the sweep would wait
