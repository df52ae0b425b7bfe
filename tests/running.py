"""A wait for a sweep that runs in another process."""

import subprocess
import time
from pathlib import Path

REPORTED = '"op_code":7'
"""Text of Optuna's journal that marks the objective of an epoch."""


def wait_for_epochs(
    process: subprocess.Popen[str], file: Path, count: int, mark: str = REPORTED, seconds: float = 600.0
) -> None:
    """Wait until a file that a sweep writes has `count` epochs, each with the text `mark`.

    Raises:
        AssertionError: the sweep ended before, with its outputs, or `seconds` have passed.
    """
    deadline = time.monotonic() + seconds
    while not (file.exists() and file.read_text(errors="replace", encoding="utf-8").count(mark) >= count):
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.05)
