"""Reading a table without guessing: text stays text, and what is no number is NaN."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile

from orchestrator.core.errors import InputError, reason

if TYPE_CHECKING:
    import pandas as pd


def read_table(path: Path, required: Sequence[str] = (), header: bool = True) -> pd.DataFrame:
    """Every cell as text, empty cells as "": a prompt "null" or "007" is kept as it is written.

    Args:
        path: a CSV file in UTF-8, or the first sheet of an `.xlsx` workbook.
        required: columns that must be there.
        header: whether the first row names the columns; else they are called "0", "1", ….

    Raises:
        InputError: no such file, neither CSV nor workbook, or a required column that is not there.
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
    """The first of some files that a folder has; the first name where it has none, for `read_table` to refuse."""
    return next((folder / name for name in names if (folder / name).is_file()), folder / names[0])


def choose_column(table: pd.DataFrame, path: Path, *names: str) -> str:
    """The column called by one of some names, in any case, with blanks or underscores.

    Raises:
        InputError: none of them; it names the file, what was expected and what there is.
    """
    known = {_plain(column): str(column) for column in table.columns}
    for name in names:
        if _plain(name) in known:
            return known[_plain(name)]
    raise InputError(f"{path} lacks {' or '.join(names)}; its columns are {', '.join(table.columns)}.")


def numbers(column: pd.Series) -> pd.Series:
    """The cells as float64, NaN where a cell is no number."""
    import pandas as pd

    return pd.to_numeric(column, errors="coerce").astype("float64")


def what_is_in(folder: Path) -> str:
    """A clause that names what a folder holds, for a message about what it does not."""
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
