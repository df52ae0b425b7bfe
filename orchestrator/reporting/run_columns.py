"""Columns of the live table of runs, and the choice of those for which a screen has room."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from orchestrator.execution.progress_snapshot import CURVE_POINTS, RunSnapshot
from orchestrator.reporting.sparkline import sparkline

GAP = 2
"""Spaces between two columns."""

_CURVE = 14
"""Characters of a sparkline on a narrow screen."""


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
    used = {"curve": sparklines, "host": several_hosts, "device": len(devices) > 1}
    columns = [column for column in _columns(runs, _CURVE) if used.get(column.header, True)]
    while (total := _total(columns, runs)) > width and (last := max(column.rank for column in columns)):
        columns = [column for column in columns if column.rank != last]
    kept = {column.header for column in columns}
    wide = _columns(runs, min(CURVE_POINTS, _CURVE + max(0, width - total)))  # the curve gets the rest of the width
    return [(column, column.width(runs)) for column in wide if column.header in kept]


def _columns(runs: Sequence[RunSnapshot], curve: int) -> list[RunColumn]:
    """Return all columns, with curves of at most `curve` characters on one scale."""
    found = [value for run in runs for value in run.curve if value is not None]
    low, high = min(found, default=0.0), max(found, default=1.0)
    return [
        RunColumn("run", lambda run: run.title),
        RunColumn("state", lambda run: run.state, rank=1),
        RunColumn("epoch", lambda run: f"{run.epoch}/{run.epochs}" if run.epochs else "", right=True),
        RunColumn("best", lambda run: format_score(run.best), right=True),
        RunColumn("last", lambda run: format_score(run.last), right=True, rank=2),
        RunColumn("curve", lambda run: sparkline(run.curve, curve, low, high), style="cyan", rank=3),
        RunColumn("time", lambda run: "" if run.seconds is None else clock(run.seconds), right=True, rank=4),
        RunColumn("host", lambda run: run.host, rank=5),
        RunColumn("device", lambda run: short_device(run.device), rank=6),
    ]


def _total(columns: Sequence[RunColumn], runs: Sequence[RunSnapshot]) -> int:
    return sum(column.width(runs) for column in columns) + GAP * (len(columns) - 1)


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
