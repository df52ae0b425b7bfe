"""Columns of the result table and of the table of a second data set. A new column is one entry of `COLUMNS`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Figures = Mapping[str, Any]
"""Figures of a configuration or a baseline on one part of the data, as in `result.json`."""


@dataclass(frozen=True)
class Column:
    """Column of figures.

    Attributes:
        header: heading in the result table; None if it is not in that table.
        cross_header: heading in the table of a second data set; None if it is not in that table.
        priority: rank among the columns; a narrow terminal shows the lowest numbers.
        cell: function from figures to the cell's text.
        validation: whether the result table shows the figures on validation instead of those on test.
    """

    header: str | None
    cross_header: str | None
    priority: int
    cell: Callable[[Figures], str]
    validation: bool = False


def _number(metric: str, digits: int = 3) -> Callable[[Figures], str]:
    """Return a cell with a metric, or a dash if it is not finite."""

    def cell(figures: Figures) -> str:
        value = figures.get(metric)
        return "–" if value is None else f"{value:.{digits}f}"

    return cell


def _interval(key: str) -> Callable[[Figures], str]:
    """Return a cell with a 95 % interval; empty if there is none."""

    def cell(figures: Figures) -> str:
        low, high = figures.get(key) or (None, None)
        return "" if low is None or high is None else f"[{low:.3f}, {high:.3f}]"

    return cell


COLUMNS = (
    Column("val SRCC", None, 3, _number("srcc", 4), validation=True),
    Column("val PLCC", None, 8, _number("plcc", 4), validation=True),
    Column("test SRCC", "SRCC", 1, _number("srcc", 4)),
    Column("95 % interval", "95 % interval", 2, _interval("interval")),
    Column("test PLCC", "PLCC", 4, _number("plcc", 4)),
    Column("95 % interval", "95 % interval", 9, _interval("plcc_interval")),
    Column(None, "KRCC", 10, _number("krcc", 4)),
    Column("fitted PLCC", "fitted PLCC", 7, _number("plcc_fitted", 4)),
    Column("SRCC in generator", "SRCC in generator", 5, _number("srcc_within_generator")),
    Column("SRCC in prompt", "SRCC in prompt", 6, _number("srcc_within_prompt")),
)
"""All columns, from left to right.

Fitted PLCC follows a logistic curve fitted on validation. SRCC in generator and in prompt are means of the SRCC inside
each one's images. A second data set has scores in other units, so its columns do not depend on the unit.
"""

HEADER = tuple(column.header for column in COLUMNS if column.header is not None)
PRIORITIES = tuple(column.priority for column in COLUMNS if column.header is not None)
CROSS_HEADER = tuple(column.cross_header for column in COLUMNS if column.cross_header is not None)
CROSS_PRIORITIES = tuple(column.priority for column in COLUMNS if column.cross_header is not None)


def result_cells(validation: Figures | None, test: Figures | None) -> tuple[str, ...]:
    """Return the cells under `HEADER`; a cell without figures is empty."""
    return tuple(
        _cell(column, validation if column.validation else test) for column in COLUMNS if column.header is not None
    )


def cross_cells(figures: Figures | None) -> tuple[str, ...]:
    """Return the cells under `CROSS_HEADER`; all are empty if there are no figures."""
    return tuple(_cell(column, figures) for column in COLUMNS if column.cross_header is not None)


def _cell(column: Column, figures: Figures | None) -> str:
    return column.cell(figures) if figures else ""
