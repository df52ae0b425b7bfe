"""A wait for a sweep that runs in another process."""

import subprocess
import time
from pathlib import Path

_REPORTED = '"op_code":7'
"""An epoch's objective in Optuna's journal."""


def wait_for_epochs(process: subprocess.Popen[str], journal: Path, count: int, seconds: float = 600.0) -> None:
    """Wait until a sweep's ledger has the objectives of `count` epochs.

    Raises:
        AssertionError: the sweep ended before, with its outputs, or `seconds` have passed.
    """
    deadline = time.monotonic() + seconds
    while not (journal.exists() and journal.read_text().count(_REPORTED) >= count):
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.05)
