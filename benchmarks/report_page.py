"""Size of a sweep's report page, and processor time and memory of the process that writes it."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from orchestrator.core.sweep_folder import Workspace

_TRIALS = (10, 200, 2000)


def main() -> None:
    from benchmarks.made_sweeps import make_sweep

    for trials in _TRIALS:
        with tempfile.TemporaryDirectory() as folder:
            workspace = make_sweep(Path(folder) / "made", trials)
            command = [sys.executable, "-m", "benchmarks.report_page", str(workspace.root)]
            measured = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
            page = workspace.report_page.stat().st_size / 1e6
            pictures = list(workspace.report.glob("*.png"))
        seconds = ", ".join(f"{name} {measured[name]:.1f}" for name in ("first", "next", "last"))
        print(
            f"{trials:>5} trials and as many of the control: page {page:.1f} MB; processor seconds: {seconds} (with "
            f"{len(pictures)} PNG files); memory {measured['memory']:.0f} MB",
            flush=True,
        )


def measure(workspace: Workspace) -> dict[str, float]:
    """Write two pages of a running sweep and the last one; return processor seconds of each, and megabytes of memory.

    The first page includes the start of Python and the loading of libraries.
    """
    from orchestrator.reporting.page.page_main import write_finished, write_running

    marks = [0.0]
    for write in (write_running, write_running, lambda found: write_finished(found, {"best": None})):
        write(workspace)
        marks.append(time.process_time())
    seconds = [after - before for before, after in zip(marks, marks[1:], strict=False)]
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6
    return dict(zip(("first", "next", "last"), seconds, strict=True)) | {"memory": memory}


if __name__ == "__main__":
    print(json.dumps(measure(Workspace(Path(sys.argv[1])))))
