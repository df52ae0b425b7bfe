"""Score columns of a table: columns of numbers, each with the standard deviations of its raters."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orchestrator.core.errors import InputError
from orchestrator.data.read_table import Table, doubled_columns
from orchestrator.data.tables.parse_numbers import parse_numbers

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ROLES = ("image", "prompt", "name", "generator")
"""Columns with a meaning of their own."""
GROUP = "group"
"""Column of groups that no split divides; only a column that the user names as such."""

_NO_SCORES = {*ROLES, "digest", "id", "index", "seed"}


@dataclass(frozen=True, eq=False)
class ScoreColumns:
    """Scores of a table.

    Attributes:
        values: score or `<score>_std` → (N,) float64, NaN for a cell that is not a number.
        targets: the scores, in the order of their columns.
        unusable: other columns → why they are not scores.
        texts: those of them that are text or empty.
        assumed: what was assumed to read the numbers.
    """

    values: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    targets: list[str] = field(default_factory=list)
    unusable: dict[str, str] = field(default_factory=dict)
    texts: set[str] = field(default_factory=set)
    assumed: list[str] = field(default_factory=list)


def read_scores(table: Table, named: Collection[str] = (), roles: Collection[str] = ROLES) -> ScoreColumns:
    """Find the scores of a table: each column of numbers, with or without a leading `mos_`.

    Standard deviations are `<score>_std` or `std_<score>`. Columns called id, index, seed or `*_id` are not scores.

    Args:
        table: its columns have their final names.
        named: scores that the user named; they must be numbers.
        roles: columns that are not scores.

    Raises:
        InputError: two columns hold the same score, or a named one is not numbers.
    """
    found, columns, assumed = ScoreColumns(), dict[str, str](), dict[str, list[str]]()
    extra = {f"{name}.{number}" for name, places in table.doubled.items() for number in range(1, len(places))}
    for column in map(str, table.cells.columns):
        lowered = column.lower()
        if column in extra or column in roles or (column not in named and _is_no_score(lowered)):
            continue
        target = column[len("mos_") :] if lowered.startswith("mos_") else column
        if problem := _why_not(table, column):
            found.unusable[target] = problem
            found.texts.add(target)
            if column in named:
                raise InputError(f"{table.path}, {problem}.")
            continue
        if target in columns:
            raise InputError(f"The columns {columns[target]} and {column} both hold the score '{target}'.")
        columns[target] = column
        if column in table.doubled:
            found.unusable[target] = doubled_columns(column, table.doubled[column])
            continue
        found.targets.append(target)
        found.values[target] = _read(table, column, assumed)
        for deviation in _deviation_names(target, column):
            if deviation in table.cells:
                found.values[f"{target}_std"] = _read(table, deviation, assumed)
    everywhere = set(columns.values())
    for note, names in assumed.items():
        found.assumed.append(note if everywhere <= set(names) else f"{note} in {', '.join(names)}")
    return found


def _first_bad_cell(table: Table, column: str) -> str | None:
    """Return line, column and text of the first cell that is filled and not a number; None if there is none."""
    import numpy as np

    cells = table.cells[column]
    bad = np.isnan(parse_numbers(cells, table.decimal_comma).values) & (cells.str.strip() != "").to_numpy(dtype=bool)
    if not bad.any():
        return None
    row = int(bad.argmax())
    text = cells.iloc[row].strip()
    return f"line {table.lines[row]}, column {column}: '{text[:40]}' is not a number"


def _is_no_score(lowered: str) -> bool:
    unnamed = lowered in ("", "mos_") or lowered.startswith("unnamed:")
    deviation = lowered.endswith("_std") or lowered.startswith("std_") or lowered == "std"
    return lowered in _NO_SCORES or lowered.endswith("_id") or unnamed or deviation


def _why_not(table: Table, column: str) -> str | None:
    # A few cells such as "n/a" do not make a score a text: their rows are excluded as non-finite.
    import numpy as np

    cells = table.cells[column]
    filled = cells[cells.str.strip() != ""]
    if not len(filled):
        return f"column {column}: no cell is filled" if len(cells) else f"column {column}: there are no rows"
    if (~np.isnan(parse_numbers(filled, table.decimal_comma).values)).mean() > 0.5:
        return None
    return _first_bad_cell(table, column)


def _read(table: Table, column: str, assumed: dict[str, list[str]]) -> NDArray[np.float64]:
    numbers = parse_numbers(table.cells[column], table.decimal_comma)
    for note in numbers.assumed:
        assumed.setdefault(note, []).append(column)
    return numbers.values


def _deviation_names(target: str, column: str) -> Iterable[str]:
    return dict.fromkeys((f"{target}_std", f"std_{target}", f"{column}_std", f"std_{column}"))
