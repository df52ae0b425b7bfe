"""Columns of the live table of runs, and the choice of those for which a screen has room."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from orchestrator.execution.progress_snapshot import RunSnapshot
from orchestrator.reporting.sparkline import sparkline

GAP = 2
"""Spaces between two columns."""

_CURVE = 14
"""Characters of a sparkline."""


@dataclass(frozen=True)
class RunColumn:
    """A column of the live table.

    Attributes:
        header: its header.
        value: text of a run.
        right: whether it is aligned to the right.
        style: its style; empty for the default.
        rank: columns with a high rank are dropped first if the screen is narrow; those of rank 0 stay.
    """

    header: str
    value: Callable[[RunSnapshot], str]
    right: bool = False
    style: str = ""
    rank: int = 0

    def width(self, runs: Sequence[RunSnapshot]) -> int:
        """Return its width in cells."""
        return max(cell_len(self.header), *(cell_len(self.value(run)) for run in runs)) if runs else len(self.header)


def choose_columns(
    runs: Sequence[RunSnapshot], width: int, several_hosts: bool, sparklines: bool = True
) -> list[tuple[RunColumn, int]]:
    """Return the columns that fit into `width` cells, each with its width; empty ones are omitted.

    Args:
        runs: the rows.
        width: of the screen.
        several_hosts: whether the sweep uses several hosts.
        sparklines: whether the terminal can draw them.
    """
    devices = {run.device for run in runs if run.device}
    found = [value for run in runs for value in run.curve if value is not None]
    low, high = min(found, default=0.0), max(found, default=1.0)
    columns = [
        RunColumn("run", lambda run: run.title),
        RunColumn("state", lambda run: run.state, rank=1),
        RunColumn("epoch", lambda run: f"{run.epoch}/{run.epochs}" if run.epochs else "", right=True),
        RunColumn("best", lambda run: format_score(run.best), right=True),
        RunColumn("last", lambda run: format_score(run.last), right=True, rank=2),
        RunColumn("curve", lambda run: sparkline(run.curve, _CURVE, low, high), style="cyan", rank=3),
        RunColumn("time", lambda run: "" if run.seconds is None else clock(run.seconds), right=True, rank=4),
        RunColumn("host", lambda run: run.host, rank=5),
        RunColumn("device", lambda run: short_device(run.device), rank=6),
    ]
    unused = {
        name
        for name, used in (("curve", sparklines), ("host", several_hosts), ("device", len(devices) > 1))
        if not used
    }
    chosen = [(column, column.width(runs)) for column in columns if column.header not in unused]
    while _total(chosen) > width and (last := max(column.rank for column, _ in chosen)):
        chosen = [pair for pair in chosen if pair[0].rank != last]
    return chosen


def _total(chosen: Sequence[tuple[RunColumn, int]]) -> int:
    return sum(width for _, width in chosen) + GAP * (len(chosen) - 1)


def format_score(value: float | None) -> str:
    """Return a score with four decimals; nothing if there is none."""
    return "" if value is None else f"{value:.4f}"


def clock(seconds: float) -> str:
    """Return seconds as on a clock.

    Example:
        >>> clock(7), clock(185), clock(7805)
        ('0:07', '3:05', '2:10:05')
    """
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"


def short_device(device: str) -> str:
    """Return the name of a device without its maker.

    Example:
        >>> short_device("NVIDIA H100 80GB HBM3"), short_device("cpu: Intel(R) Xeon(R) CPU @ 2.00GHz")
        ('H100 80GB HBM3', 'cpu')
    """
    return "cpu" if device.startswith("cpu") else device.removeprefix("NVIDIA ")
