"""Screen of a running sweep, drawn from a snapshot: the best runs, progress, running and ended runs, machine."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from rich.console import Group
from rich.text import Text

from orchestrator.core.disk_space import format_bytes
from orchestrator.execution.progress_snapshot import MachineUsage, Phase, ProgressSnapshot, RunSnapshot
from orchestrator.reporting.duration import duration
from orchestrator.reporting.run_columns import GAP, RunColumn, choose_columns, clock, format_score
from orchestrator.search.outcome import Outcome

_STYLES = {
    "running": "cyan",
    "waiting": "dim",
    str(Outcome.COMPLETE): "green",
    str(Outcome.PRUNED): "yellow",
    str(Outcome.DIVERGED): "red",
    str(Outcome.INFEASIBLE): "red",
    str(Outcome.FAILED): "bold red",
}

_LEAST_ROWS = 3
"""Rows of runs for which parameters give way."""

_BAR = 40
"""Largest width of the progress bar."""


def draw_progress(
    snapshot: ProgressSnapshot, width: int, height: int, *, note: str = "", ascii_only: bool = False
) -> Group:
    """Return a sweep's screen; no line is longer than `width`, and there are at most `height`.

    Args:
        snapshot: state of the sweep.
        width, height: of the screen, in cells.
        note: sentence below the title.
        ascii_only: whether the terminal lacks block characters.
    """
    title = Text(snapshot.title, style="bold")
    top = [title, *([Text(note, style="bold yellow")] if note else [])]
    bar = _progress_line(snapshot, width, ascii_only)
    counts, machine = _counts_line(snapshot, width), _machine_line(snapshot.machine, len(snapshot.hosts) > 1)
    best = _best_lines(snapshot, width)
    fixed = len(top) + 1 + len(counts)
    rows_wanted = min(_LEAST_ROWS, len(snapshot.open) + len(snapshot.ended))
    rows_wanted += bool(rows_wanted)  # header
    best = _shortened(best, height - fixed - rows_wanted)
    used = fixed + len(best)
    with_machine = machine is not None and used + rows_wanted < height
    rows = _rows(snapshot, width, height - used - with_machine, ascii_only)
    lines = [*top, *best, bar, *counts, *rows, *([machine] if machine is not None and with_machine else [])]
    for line in lines:
        line.no_wrap = True
        line.truncate(width, overflow="crop" if ascii_only else "ellipsis")
    return Group(*lines[:height])


def _best_lines(snapshot: ProgressSnapshot, width: int) -> list[Text]:
    """Return the best run of variant and control with their parameters, wrapped between two parameters."""
    found = [(word, run) for word, run in (("best", snapshot.best), ("control", snapshot.control)) if run]
    if not found:
        return []
    titles = max(cell_len(run.title) for _, run in found)
    lines = []
    for word, run in found:
        epochs = f"epoch {run.epoch}/{run.epochs}" if run.state == "running" else run.state
        line = Text.assemble((f"{word:<7}  ", "bold green"), f"{run.title:<{titles}}  ")
        line.append(f"{format_score(run.best)}  ", "bold")
        line.append(f"{epochs}  ", "dim")
        indent = 9
        for name, value in run.params:
            parameter = f"{name}={value}"
            if cell_len(line.plain) + cell_len(parameter) > width and len(line.plain) > indent:
                lines.append(line)
                line = Text(" " * indent)
            line.append(f"{name}=", "dim").append(f"{value} ")
        lines.append(line)
    for line in lines:
        line.rstrip()
    return lines


def _shortened(lines: list[Text], room: int) -> list[Text]:
    """Return as many lines as there is room for; the last one then ends in dots."""
    if len(lines) <= room:
        return lines
    return [*lines[: room - 1], lines[room - 1] + Text(" …")] if room > 0 else []


def _progress_line(snapshot: ProgressSnapshot, width: int, ascii_only: bool) -> Text:
    what = snapshot.phase + (f": {snapshot.step}" if snapshot.step and snapshot.phase is not Phase.WORKERS else "")
    parts = [f"{snapshot.done}/{snapshot.total}"] if snapshot.total else []
    parts.append(clock(snapshot.phase_seconds))
    if snapshot.seconds_left is not None:
        parts.append(f"about {duration(snapshot.seconds_left)} left")
    text = "  ".join(parts)
    room = min(_BAR, width - cell_len(what) - cell_len(text) - 2 * GAP)
    line = Text(what, style="bold")
    if snapshot.total and room >= 8:
        full = room * min(snapshot.done, snapshot.total) // snapshot.total
        mark, rest = ("#", "-") if ascii_only else ("━", "━")
        line.append("  ").append(mark * full, "not bold green").append(rest * (room - full), "not bold bright_black")
    return line.append(f"  {text}", "not bold")


def _counts_line(snapshot: ProgressSnapshot, width: int) -> list[Text]:
    words = {"running": snapshot.running, "waiting": snapshot.waiting, **snapshot.outcomes}
    parts = [Text(f"{count} {word}", style=_STYLES.get(word, "")) for word, count in words.items() if count]
    if snapshot.epochs_per_second:
        parts.append(Text(f"{snapshot.epochs_per_second:.1f} epochs/s", style="dim"))
    lines: list[Text] = []
    for part in parts:
        if lines and cell_len(lines[-1].plain) + 3 + cell_len(part.plain) <= width:
            lines[-1].append(" · ", "dim").append_text(part)
        else:
            lines.append(Text("").append_text(part))
    return lines


def _machine_line(machine: MachineUsage | None, several_hosts: bool) -> Text | None:
    if machine is None:
        return None
    parts = [f"CPU {machine.cpu:.0%}", f"memory {_of(machine.memory, machine.memory_total)}"]
    if len(gpus := machine.gpus) > 2:
        mean, used = sum(gpu.share for gpu in gpus) / len(gpus), sum(gpu.memory for gpu in gpus)
        parts.append(f"{len(gpus)} GPUs {mean:.0%}, {_of(used, sum(gpu.memory_total for gpu in gpus))}")
    else:
        for number, gpu in enumerate(gpus):
            name = f"GPU {number}" if len(gpus) > 1 else "GPU"
            parts.append(f"{name} {gpu.share:.0%}, {_of(gpu.memory, gpu.memory_total)}")
    return Text(("this host: " if several_hosts else "") + " · ".join(parts), style="dim")


def _of(used: int, total: int) -> str:
    return f"{format_bytes(used)} of {format_bytes(total)}"


def _rows(snapshot: ProgressSnapshot, width: int, room: int, ascii_only: bool) -> list[Text]:
    """Return header and rows of the running, waiting and last ended runs, and how many more are open."""
    count = len(snapshot.open) + len(snapshot.ended)
    if room < 2 or not count:
        return []
    open_runs = snapshot.running + snapshot.waiting
    hidden = open_runs > min(len(snapshot.open), room - 1)
    runs = (*snapshot.open, *snapshot.ended)[: room - 1]
    if hidden:
        runs = snapshot.open[: room - 2]
    columns = choose_columns(runs, width, len(snapshot.hosts) > 1, sparklines=not ascii_only)
    lines = [_line(columns, [column.header for column, _ in columns], ["bold"] * len(columns))]
    for run in runs:
        styles = [_STYLES.get(run.state, "") if column.header == "state" else column.style for column, _ in columns]
        lines.append(_line(columns, [column.value(run) for column, _ in columns], styles))
    if hidden:
        lines.append(Text(_more(snapshot, runs), style="dim"))
    return lines


def _more(snapshot: ProgressSnapshot, runs: Sequence[RunSnapshot]) -> str:
    shown = [run.state for run in runs]
    more = {word: total - shown.count(word) for word, total in _open_counts(snapshot).items()}
    return "and " + ", ".join(f"{count} more {word}" for word, count in more.items() if count)


def _open_counts(snapshot: ProgressSnapshot) -> dict[str, int]:
    return {"running": snapshot.running, "waiting": snapshot.waiting}


def _line(columns: Sequence[tuple[RunColumn, int]], cells: Sequence[str], styles: Sequence[str]) -> Text:
    line = Text()
    for (column, width), cell, style in zip(columns, cells, styles, strict=True):
        pad = " " * (width - cell_len(cell))
        line.append(pad + cell if column.right else cell + pad, style or None).append(" " * GAP)
    line.rstrip()
    return line
