"""Print how to resume a stopped sweep; exit immediately if a clean shutdown would take too long."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console

from orchestrator.core.cli import FAILED, INTERRUPTED
from orchestrator.core.shown_commands import resume_lines
from orchestrator.core.spec import SweepSpec
from orchestrator.core.sweep_folder import Workspace
from orchestrator.sweeps import signals
from orchestrator.sweeps.interruption_errors import SweepInterrupted, SweepStopped

if TYPE_CHECKING:
    from orchestrator.sweeps.notifier import Notifier

_NOTIFY_SECONDS = 3.0


def print_reason(console: Console, spec: SweepSpec, out: Path) -> Callable[[str], None]:
    """Return a function that prints a sentence and how to resume the sweep."""

    def print_sentence(sentence: str) -> None:
        text = f"\n{sentence}\nNothing is lost. {resume_lines(spec.name, out)}"
        console.print(text, highlight=False, markup=False, soft_wrap=True)

    return print_sentence


def exit_immediately(
    console: Console, spec: SweepSpec, out: Path, code: int, notifier: Notifier
) -> Callable[[str], None]:
    """Return a function that prints a sentence and how to resume, and ends the process as SIGKILL would.

    Every record is on disk by then; a resumed sweep uploads the events that have not reached MLflow.

    Args:
        console: the terminal.
        spec: settings of the sweep.
        out: folder of the sweeps' folders.
        code: exit code.
        notifier: notifies of the end; it gets a few seconds.
    """

    explain = print_reason(console, spec, out)

    def exit_process(sentence: str) -> None:
        explain(sentence)
        console.show_cursor()
        console.file.flush()
        notifier.interrupted() if code == INTERRUPTED else notifier.failed("the cluster is gone")
        notifier.close(timeout=_NOTIFY_SECONDS)
        os._exit(code)

    return exit_process


@contextmanager
def exit_if_stopped(spec: SweepSpec, out: Path, console: Console) -> Iterator[None]:
    """Print how to resume a sweep that is interrupted or stops inside the context, and exit."""
    try:
        yield
    except (SweepInterrupted, KeyboardInterrupt) as error:
        if not Workspace(out / spec.name).spec.is_file():
            raise
        text = f"\n{str(error) or signals.INTERRUPTED}; nothing is lost. {resume_lines(spec.name, out)}"
        console.print(text, highlight=False, markup=False, soft_wrap=True)
        raise typer.Exit(INTERRUPTED) from None
    except SweepStopped as error:
        console.print(f"\n{error}", style="red", highlight=False, markup=False, soft_wrap=True)
        text = f"The sweep stopped; nothing is lost. {resume_lines(spec.name, out)}"
        console.print(text, highlight=False, markup=False, soft_wrap=True)
        raise typer.Exit(FAILED) from None


def print_if_ended_early(result: dict[str, Any], spec: SweepSpec, console: Console, out: Path) -> None:
    """Print how to resume a search that `--max-hours` ended before its budget was met."""
    from orchestrator.sweeps.budget import exhausted

    budget = result.get("budget", 0)
    if budget and (done := sum(result["counts"].values())) < budget and "search" not in exhausted(result):
        console.print(
            f"\n--max-hours ended the search after {done} of {budget} trials. {resume_lines(spec.name, out)}",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
