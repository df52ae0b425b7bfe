"""Result table on a terminal: columns that do not fit are dropped, the least important first, and none is cut."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table

from orchestrator.reporting.result_rows import Row
from orchestrator.reporting.wrapped_text import wrap_text

LABEL_WIDTH = 24
"""Cells that labels are wrapped to before a column is dropped."""

_GAP = 2  # cells between columns


def print_table(
    console: Console,
    header: Sequence[str],
    priorities: Sequence[int],
    rows: Sequence[tuple[Row, tuple[str, ...]]],
) -> int:
    """Print a table as wide as the output and return the number of columns with figures that it has no room for.

    Args:
        console: output.
        header: headings of the columns.
        priorities: ranks of the columns; the highest numbers are dropped first, after those without figures.
        rows: rows with their cells. Blank lines separate their groups; the first row is bold if it is of the search.
    """
    labels = max((cell_len(row.label) for row, _ in rows), default=0)
    columns = list(zip(header, zip(*(cells for _, cells in rows), strict=True), strict=True)) if rows else []
    shown, room = _fitting(columns, priorities, console.width, labels)
    table = Table(box=None, pad_edge=False)
    table.add_column("", no_wrap=True)
    for index in shown:
        table.add_column(_two_lines(header[index]), justify="right", no_wrap=True)
    previous = ""
    for row, cells in rows:
        if previous and row.group != previous:
            table.add_section()
            table.add_row()
        style = "bold" if not previous and row.group == "search" else ""  # the best configuration
        label = "\n".join(wrap_text(row.label, room, "  "))
        table.add_row(label, *(cells[index] for index in shown), style=style)
        previous = row.group
    console.print(table)
    return sum(any(cells) for index, (_, cells) in enumerate(columns) if index not in shown)


def _fitting(
    columns: Sequence[tuple[str, tuple[str, ...]]], priorities: Sequence[int], width: int, labels: int
) -> tuple[list[int], int]:
    """Return the columns that fit, from left to right, and the cells that are left for the labels."""
    widths = [max(map(cell_len, [*name.rsplit(" ", 1), *cells])) + _GAP for name, cells in columns]
    ranked = sorted(range(len(columns)), key=lambda index: (not any(columns[index][1]), priorities[index]))
    least = min(labels, LABEL_WIDTH)
    while len(ranked) > 1 and least + sum(widths[index] for index in ranked) > width:
        ranked.pop()
    return sorted(ranked), max(least, width - sum(widths[index] for index in ranked))


def _two_lines(heading: str) -> str:
    """Return a heading in two lines, so that the widest cell decides the column's width."""
    return "\n".join(heading.rsplit(" ", 1))
