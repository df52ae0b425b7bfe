"""Reading a CSV without guessing: text stays text, and what is no number is NaN."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.errors import InputError

if TYPE_CHECKING:
    import pandas as pd


def read_table(path: Path, required: Sequence[str] = ()) -> pd.DataFrame:
    """Every cell as text, empty cells as "": a prompt "null" or "007" is kept as it is written.

    Raises:
        InputError: no such file, not a CSV in UTF-8, or a required column that is not there.
    """
    import pandas as pd

    if not path.is_file():
        beside = sorted(entry.name for entry in path.parent.iterdir())[:8] if path.parent.is_dir() else []
        holds = f"the folder holds {', '.join(beside)}" if beside else "the folder is empty or does not exist"
        raise InputError(f"There is no file {path}; {holds}.")
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as a CSV file in UTF-8: {str(error).strip()}.") from None
    table.columns = [str(column).strip() for column in table.columns]
    missing = [column for column in required if column not in table]
    if missing:
        raise InputError(f"{path} lacks {', '.join(missing)}; its columns are {', '.join(table.columns)}.")
    return table


def numbers(column: pd.Series) -> pd.Series:
    """The cells as float64, NaN where a cell is no number."""
    import pandas as pd

    return pd.to_numeric(column, errors="coerce").astype("float64")
