"""Table reader that guesses no types: rows and header are normalised, and text stays text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.core.errors import InputError
from orchestrator.core.near_matches import unknown_name_message
from orchestrator.data.tables.detect_format import TABLE_SUFFIXES as TABLE_SUFFIXES
from orchestrator.data.tables.detect_format import read_records
from orchestrator.data.tables.detect_format import what_is_in as what_is_in
from orchestrator.data.tables.parse_numbers import parse_numbers

if TYPE_CHECKING:
    import pandas as pd

    from orchestrator.data.tables.raw_rows import Records


@dataclass(frozen=True, eq=False)
class Table:
    """A table as it was read.

    Attributes:
        path: the file.
        cells: text, "" for an empty cell; the columns have the header's names without blanks around them.
        lines: line in the file of each row, (N,).
        assumed: what was assumed to read it, such as 'separator ";"'; empty for a CSV in UTF-8.
        doubled: name → numbers, from 1, of the columns that share it and differ; the first of them keeps the name.
    """

    path: Path
    cells: pd.DataFrame
    lines: tuple[int, ...]
    assumed: tuple[str, ...] = ()
    doubled: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @property
    def decimal_comma(self) -> bool:
        """True if a comma is more likely a decimal comma than one between thousands."""
        return any(note.startswith("separator") for note in self.assumed)

    def find(self, name: str) -> str | None:
        """Return the column of a name as it is written, else in any case and with blanks or underscores."""
        if name in self.cells:
            return name
        return next((str(column) for column in self.cells.columns if _plain(str(column)) == _plain(name)), None)

    def require(self, names: Iterable[str]) -> Table:
        """Return the table with these columns under these names.

        Raises:
            InputError: a column is missing, or is there twice.
        """
        found = {name: self.find(name) for name in names}
        missing = [name for name, column in found.items() if column is None]
        if missing:
            raise InputError(f"{self.path} lacks {', '.join(missing)}; its columns are {self.column_names()}.")
        for column in found.values():
            self.refuse_doubled(str(column))
        return self.renamed({str(column): name for name, column in found.items()})

    def refuse_doubled(self, column: str) -> None:
        """Raise InputError if several different columns have this name."""
        if column in self.doubled:
            raise InputError(f"{self.path}: {doubled_columns(column, self.doubled[column])}.")

    def renamed(self, names: Mapping[str, str]) -> Table:
        """Return the table with other names for some columns; a column that had such a name is dropped."""
        changed = {column: name for column, name in names.items() if column != name}
        if not changed:
            return self
        dropped = [name for name in changed.values() if name in self.cells and name not in changed]
        cells = self.cells.drop(columns=dropped).rename(columns=changed)
        doubled = {changed.get(name, name): columns for name, columns in self.doubled.items() if name not in dropped}
        return Table(self.path, cells, self.lines, self.assumed, doubled)

    def column_names(self) -> str:
        """Return the names of the columns, for a message."""
        return ", ".join(map(str, self.cells.columns))


def open_table(path: Path, header: bool = True) -> Table:
    """Read a CSV, workbook, Parquet file or JSON lines, as people export them.

    Rows without any cell are skipped. Recognised are other separators than a comma, other encodings than UTF-8, a line
    `sep=;`, comment lines, compressed files, and row names without a header.

    Args:
        path: the file.
        header: whether the first row names the columns; otherwise they are called "0", "1", ….

    Raises:
        InputError: the file is missing or cannot be read as a table; the message names file and line.
    """
    import pandas as pd

    records = read_records(path, header)
    if not records.rows:
        return Table(path, pd.DataFrame(), (), tuple(records.assumed))
    if not records.header:
        width = max(map(len, records.rows))
        cells = pd.DataFrame(_padded(records.rows, width), columns=[str(number) for number in range(width)], dtype=str)
        return Table(path, cells, tuple(records.lines), tuple(records.assumed))
    names = [name.strip("\ufeff \t\r\n\u00a0") for name in records.rows[0]]
    rows = _fitted(records, len(names))
    unique = [name or f"Unnamed: {number}" for number, name in enumerate(names)]
    columns: dict[str, list[str]] = {}
    places: dict[str, list[int]] = {}
    for number, name in enumerate(unique):
        column = [row[number] for row in rows]
        if name not in columns:
            columns[name] = column
            places[name] = [number + 1]
        elif column != columns[name]:
            columns[f"{name}.{len(places[name])}"] = column
            places[name].append(number + 1)
    cells = pd.DataFrame({name: pd.Series(column, dtype=str) for name, column in columns.items()})
    doubled = {name: tuple(numbers) for name, numbers in places.items() if len(numbers) > 1}
    return Table(path, cells, tuple(records.lines[1:]), tuple(records.assumed), doubled)


def read_table(path: Path, required: Sequence[str] = (), header: bool = True) -> pd.DataFrame:
    """Return every cell as text, empty cells as "": a prompt "null" or "007" is kept as it is written.

    Args:
        path: a file as `open_table` reads it.
        required: columns that must be there, in any case and with blanks or underscores.
        header: whether the first row names the columns; otherwise they are called "0", "1", ….

    Raises:
        InputError: the file is missing, cannot be read as a table, or lacks a required column.
    """
    return open_table(path, header).require(required).cells


def first_file(folder: Path, names: Sequence[str]) -> Path:
    """Return the first of some files that a folder has; the first name if it has none."""
    return next((folder / name for name in names if (folder / name).is_file()), folder / names[0])


def choose_column(table: pd.DataFrame, path: Path, *names: str) -> str:
    """Return the column that has one of some names, in any case, with blanks or underscores.

    Raises:
        InputError: no such column; the message names the file, the names and the columns.
    """
    known = {_plain(str(column)): str(column) for column in table.columns}
    for name in names:
        if _plain(name) in known:
            return known[_plain(name)]
    raise InputError(f"{path} lacks {' or '.join(names)}; its columns are {', '.join(table.columns)}.")


def numbers(column: pd.Series) -> pd.Series:
    """Return the cells as float64, NaN if a cell is not a number."""
    import pandas as pd

    return pd.Series(parse_numbers(column).values, index=column.index)


def doubled_columns(name: str, columns: Sequence[int]) -> str:
    """Return a clause about columns that share a name.

    Example:
        >>> doubled_columns("quality", (3, 4))
        'the columns 3 and 4 are all called quality, with different cells: rename one'
    """
    *others, last = map(str, columns)
    return f"the columns {', '.join(others)} and {last} are all called {name}, with different cells: rename one"


def unknown_column(path: Path, name: str, table: Table) -> InputError:
    """Return the error for a column that a table does not have, with near matches."""
    return InputError(f"{path}: {unknown_name_message('column', name, map(str, table.cells.columns))}")


def _fitted(records: Records, width: int) -> list[list[str]]:
    """Return the rows below the header, each as wide as the header.

    Raises:
        InputError: a row has more cells than the header.
    """
    rows = records.rows[1:]
    if rows and all(len(row) == width + 1 for row in rows) and any(row[-1].strip() for row in rows):
        # R and pandas write row names without a name for their column.
        first = [row[0].strip() for row in rows]
        if len(set(first)) == len(first) and not any("." in name or "/" in name for name in first):
            rows = [row[1:] for row in rows]
    for number, row in enumerate(rows, 1):
        if any(cell.strip() for cell in row[width:]):
            raise InputError(
                f"{records.place(number)}: {len(row)} cells, but the header has {width}: "
                "put a cell that contains the separator in quotes."
            )
    return _padded([row[:width] for row in rows], width)


def _padded(rows: list[list[str]], width: int) -> list[list[str]]:
    return [[*row, *[""] * (width - len(row))] for row in rows]


def _plain(name: str) -> str:
    return name.strip().casefold().replace(" ", "").replace("_", "")
