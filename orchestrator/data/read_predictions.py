"""Reader of the tables of predictions that confirm runs write: true and predicted scores, and what was rated."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

TEXTS = ("part", "name", "prompt", "criteria", "generator")
"""Columns of text; all others are numbers."""


def read_predictions(path: Path) -> pd.DataFrame:
    """Return a table of predictions; a prompt or generator called NA, None or null stays that text.

    Raises:
        OSError: the file cannot be read.
        ValueError: the file is not such a table.
    """
    import pandas as pd

    with path.open(encoding="utf-8", newline="") as file:
        columns = next(csv.reader(file), [])
    empty = {column: ["", "nan", "NaN"] for column in columns if column not in TEXTS}
    texts = {column: str for column in columns if column in TEXTS}
    return pd.read_csv(path, dtype=texts, keep_default_na=False, na_values=empty)
