"""Table reader that guesses no types: text stays text, and a cell that is not a number is NaN."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile

from orchestrator.core.errors import InputError, reason

if TYPE_CHECKING:
    import pandas as pd


def read_table(path: Path, required: Sequence[str] = (), header: bool = True) -> pd.DataFrame:
    """Return every cell as text, empty cells as "": a prompt "null" or "007" is kept as it is written.

    Args:
        path: a CSV file in UTF-8, or the first sheet of an `.xlsx` workbook.
        required: columns that must be there.
        header: whether the first row names the columns; otherwise they are called "0", "1", ….

    Raises:
        InputError: the file is missing, is neither CSV nor workbook, or lacks a required column.
    """
    if not path.is_file():
        raise InputError(f"There is no file {path}; {what_is_in(path.parent)}.")
    table = _read_sheet(path, header) if path.suffix.lower() == ".xlsx" else _read_csv(path, header)
    table.columns = [str(column).strip() for column in table.columns]
    missing = [column for column in required if column not in table]
    if missing:
        raise InputError(f"{path} lacks {', '.join(missing)}; its columns are {', '.join(table.columns)}.")
    return table


def first_file(folder: Path, names: Sequence[str]) -> Path:
    """Return the first of some files that a folder has; the first name if it has none."""
    return next((folder / name for name in names if (folder / name).is_file()), folder / names[0])


def choose_column(table: pd.DataFrame, path: Path, *names: str) -> str:
    """Return the column that has one of some names, in any case, with blanks or underscores.

    Raises:
        InputError: no such column; the message names the file, the names and the columns.
    """
    known = {_plain(column): str(column) for column in table.columns}
    for name in names:
        if _plain(name) in known:
            return known[_plain(name)]
    raise InputError(f"{path} lacks {' or '.join(names)}; its columns are {', '.join(table.columns)}.")


def numbers(column: pd.Series) -> pd.Series:
    """Return the cells as float64, NaN if a cell is not a number."""
    import pandas as pd

    return pd.to_numeric(column, errors="coerce").astype("float64")


def what_is_in(folder: Path) -> str:
    """Return a clause that lists a folder's content, for a message about a missing file."""
    beside = sorted(entry.name for entry in folder.iterdir())[:8] if folder.is_dir() else []
    return f"the folder holds {', '.join(beside)}" if beside else "the folder is empty or does not exist"


def _read_csv(path: Path, header: bool) -> pd.DataFrame:
    import pandas as pd

    try:
        return pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig", header=0 if header else None)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as a CSV file in UTF-8: {str(error).strip()}.") from None


def _read_sheet(path: Path, header: bool) -> pd.DataFrame:
    import pandas as pd

    try:
        return pd.read_excel(path, dtype=str, keep_default_na=False, header=0 if header else None, engine="openpyxl")
    except (BadZipFile, OSError, ValueError, KeyError) as error:
        raise InputError(f"{path} cannot be read as an .xlsx workbook: {reason(error)}.") from None


def _plain(name: str) -> str:
    return name.strip().casefold().replace(" ", "").replace("_", "")
