"""Live screen of a sweep that another process runs, on this host or on one that shares the sweep's folder."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from orchestrator.core.shown_commands import resume_command, show_command
from orchestrator.core.spec import load_spec
from orchestrator.core.sweep_folder import LockOwner, Workspace, running
from orchestrator.execution.progress_snapshot import Phase, ProgressSnapshot
from orchestrator.execution.snapshot_file import read_snapshot
from orchestrator.reporting.duration import duration
from orchestrator.reporting.live_view import can_redraw, ended_line
from orchestrator.reporting.progress_screen import draw_progress
from orchestrator.reporting.run_columns import format_score
from orchestrator.sweeps.sweep_status import confirmed_srcc

INTERVAL = 0.5
"""Seconds between two looks at the sweep's folder."""

_SILENT = 15.0
"""Seconds without a new snapshot after which the screen says so."""

_STOPPING = "The sweep stops after its running epochs."


def watch_sweep(workspace: Workspace, console: Console, as_json: bool = False) -> None:
    """Show a sweep until it ends, then print how it ended; print how to resume it if it does not run.

    Without a terminal, a line is printed for each phase and each run that ends.

    Args:
        workspace: folder of the sweep.
        console: output.
        as_json: print each snapshot as a line of JSON, and the end as another.
    """
    spec = load_spec(workspace.spec)
    if (holder := running(workspace)) is None:
        _print_end(workspace, console, as_json, None)
        return
    title = f"{spec.name}: {spec.variant} on {Path(spec.dataset).name}"
    last = ProgressSnapshot(spec.name, title, Phase.LOADING, pid=holder.pid)
    with _shown(console, as_json) as show:
        for snapshot, silent in _snapshots(workspace, last):
            show(last := snapshot, silent)
    _print_end(workspace, console, as_json, last)


def _snapshots(workspace: Workspace, first: ProgressSnapshot) -> Iterator[tuple[ProgressSnapshot, float]]:
    """Yield the latest snapshot of a running sweep and the seconds since it was new, until the sweep ends."""
    snapshot, changed = first, time.monotonic()
    while (holder := running(workspace)) is not None:
        new = read_snapshot(workspace)
        if new is not None and new != snapshot and _is_of(new, holder):
            snapshot, changed = new, time.monotonic()
        yield snapshot, time.monotonic() - changed
        time.sleep(INTERVAL)


def _is_of(snapshot: ProgressSnapshot, holder: LockOwner) -> bool:
    """Return whether the process that runs the sweep wrote a snapshot, rather than one that was killed."""
    return snapshot.pid == holder.pid


@contextmanager
def _shown(console: Console, as_json: bool) -> Iterator[Callable[[ProgressSnapshot, float], None]]:
    """Yield a function that shows a snapshot as JSON, on a live screen, or in plain lines."""
    if as_json:
        yield _JsonLines().show
    elif can_redraw(console):
        with Live(console=console, auto_refresh=False, transient=True, vertical_overflow="crop") as live:
            yield lambda snapshot, silent: live.update(_screen(console, snapshot, silent), refresh=True)
    else:
        yield _PlainLines(console).show


def _screen(console: Console, snapshot: ProgressSnapshot, silent: float) -> Group:
    note = _STOPPING if snapshot.stopping else ""
    if silent > _SILENT:
        note = f"The sweep has reported nothing for {duration(silent)}."
    height = max(1, console.height - 1)
    hint = Text("Ctrl-C ends this view; the sweep continues.", style="dim", no_wrap=True)
    ascii_only = console.options.ascii_only
    drawn = draw_progress(snapshot, console.width, height - 1, note=note, ascii_only=ascii_only)
    return Group(drawn, hint) if height > 2 else drawn


class _JsonLines:
    """Print each new snapshot as a line of JSON."""

    def __init__(self) -> None:
        self._last: ProgressSnapshot | None = None

    def show(self, snapshot: ProgressSnapshot, silent: float) -> None:
        if snapshot != self._last:
            self._last = snapshot
            print(snapshot.to_json().decode(), flush=True)


class _PlainLines:
    """Print a line for each phase and for each run that ends."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last: ProgressSnapshot | None = None

    def show(self, snapshot: ProgressSnapshot, silent: float) -> None:
        last = self._last or replace(snapshot, phase=None, ended=(), stopping=False)  # type: ignore[arg-type]
        if self._last is None:
            self._print(snapshot.title)
        self._last = snapshot
        if snapshot.phase is not last.phase:
            count = f" {snapshot.done}/{snapshot.total}" if snapshot.total else ""
            self._print(f"{snapshot.phase.headline}{count}")
        known = max((run.number for run in last.ended), default=0)
        for run in reversed(snapshot.ended):
            if run.number > known:
                self._print(ended_line(run, snapshot.total))
        if snapshot.stopping and not last.stopping:
            self._print(_STOPPING)

    def _print(self, line: str) -> None:
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)


def _print_end(workspace: Workspace, console: Console, as_json: bool, last: ProgressSnapshot | None) -> None:
    """Print how a sweep ended, or that it does not run, and what to do next.

    Args:
        workspace: of the sweep.
        console: output.
        as_json: print an object instead of sentences.
        last: its last snapshot; None if it did not run.
    """
    finished = workspace.result.is_file()
    next_command = (show_command if finished else resume_command)(workspace.name, workspace.root.parent)
    if as_json:
        state = "finished" if finished else "interrupted"
        print(json.dumps({"name": workspace.name, "state": state, "next": next_command}), flush=True)
        return
    ended = "" if last is None or not last.total else f" after {last.done} of {last.total} runs"
    if finished:
        sentence = f"The sweep {workspace.name} is finished{_verdict(workspace)}. Look at its result with:"
    elif last is None:
        sentence = f"The sweep {workspace.name} is not running. Resume with:"
    else:
        sentence = f"The sweep {workspace.name} stopped{ended}; it is not finished. Resume with:"
    console.print(f"{sentence}\n  {next_command}", highlight=False, markup=False, soft_wrap=True)


def _verdict(workspace: Workspace) -> str:
    """Return the best configuration's test SRCC as the end of a sentence; nothing if it was not confirmed."""
    test = confirmed_srcc(json.loads(workspace.result.read_text(encoding="utf-8")), "best")
    return "" if test is None else f": test SRCC {format_score(test)}"
