"""Print how to resume a stopped sweep; exit immediately if a clean shutdown would take too long."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from orchestrator.core.spec import SweepSpec


def resume_command(spec: SweepSpec, out: Path) -> str:
    """Return the command that resumes a sweep."""
    option = "" if out.absolute() == Path("sweeps").absolute() else f" --out {out}"
    return f"python -m orchestrator.resume {spec.name}{option}"


def report_command(spec: SweepSpec, out: Path) -> str:
    """Return the command that writes the report page of a sweep again."""
    return resume_command(spec, out).replace("orchestrator.resume", "orchestrator.report", 1)


def exit_immediately(console: Console, spec: SweepSpec, out: Path, code: int) -> Callable[[str], None]:
    """Return a function that prints a sentence and how to resume, and ends the process as SIGKILL would.

    Every record is on disk by then; a resumed sweep uploads the events that have not reached MLflow.

    Args:
        console: the terminal.
        spec: settings of the sweep.
        out: folder of the sweeps' folders.
        code: exit code.
    """

    def exit_process(sentence: str) -> None:
        console.print(f"\n{sentence}", highlight=False, markup=False, soft_wrap=True)
        console.print(f"Nothing is lost. Resume with:\n  {resume_command(spec, out)}", soft_wrap=True)
        console.show_cursor()
        console.file.flush()
        os._exit(code)

    return exit_process
