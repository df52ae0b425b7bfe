"""The last word of a sweep that stops: how to go on; and an end at once where a clean one is not to be waited for."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from orchestrator.core.spec import SweepSpec


def resume_command(spec: SweepSpec, out: Path) -> str:
    """The command that goes on with a sweep."""
    where = "" if out.absolute() == Path("sweeps").absolute() else f" --out {out}"
    return f"python -m orchestrator.resume {spec.name}{where}"


def exit_immediately(console: Console, spec: SweepSpec, out: Path, code: int) -> Callable[[str], None]:
    """Made once a sweep runs: says a sentence and how to go on, and ends the process as a kill would.

    Every record is on disk; what MLflow has not heard goes out when the sweep goes on.
    """

    def end(sentence: str) -> None:
        console.print(f"\n{sentence}", highlight=False, markup=False, soft_wrap=True)
        console.print(f"Nothing is lost. Go on with:\n  {resume_command(spec, out)}", soft_wrap=True)
        console.show_cursor()
        console.file.flush()
        os._exit(code)

    return end
