"""Numbers as people write them: decimal commas, separated thousands, per cent."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

_BLANKS = re.compile("[\\s\u00a0\u202f\u2009'’]")
_GROUPS = re.compile(r"[+-]?[1-9]\d{0,2}(?:,\d{3})+")
_COMMA = re.compile(r"[+-]?\d*,\d+(?:e[+-]?\d+)?", re.IGNORECASE)
_COMMA_WITH_POINTS = re.compile(r"[+-]?[1-9]\d{0,2}(?:\.\d{3})+(?:,\d+)?")
_GROUPS_WITH_POINT = re.compile(r"[+-]?[1-9]\d{0,2}(?:,\d{3})+\.\d+")


@dataclass(frozen=True, eq=False)
class Numbers:
    """A column as numbers.

    Attributes:
        values: float64, NaN for a cell that is not a number.
        assumed: what was assumed, such as "decimal comma"; empty if the cells are plain numbers.
    """

    values: NDArray[np.float64]
    assumed: tuple[str, ...] = ()


def parse_numbers(column: pd.Series, decimal_comma: bool = False) -> Numbers:
    """Read a column of text as numbers; a convention holds for the column as a whole.

    Args:
        column: cells as text.
        decimal_comma: read an ambiguous column such as "1,234", "2,345" with decimal commas.

    Example:
        >>> import pandas as pd
        >>> parse_numbers(pd.Series(["0,5", "2,25"])).values.tolist()
        [0.5, 2.25]
        >>> parse_numbers(pd.Series(["85 %", "90%"])).assumed
        ('per cent',)
    """
    import numpy as np
    import pandas as pd

    plain = pd.to_numeric(column, errors="coerce").to_numpy("float64")
    odd = np.flatnonzero(np.isnan(plain) & (column.str.strip() != "").to_numpy(dtype=bool))
    if not len(odd):
        return Numbers(plain)
    cells = {int(row): _BLANKS.sub("", unicodedata.normalize("NFKC", column.iloc[row])) for row in odd}
    cells = {row: cell.replace("\u2212", "-") for row, cell in cells.items()}
    assumed: list[str] = []
    if any(cell.endswith("%") for cell in cells.values()):
        without = (cell for cell in cells.values() if not cell.endswith("%"))
        # If some numbers have the sign and some have not, which is meant is unknown.
        if not np.isnan(plain).all() or any(not np.isnan(_number(cell, "decimal comma")) for cell in without):
            return Numbers(plain)
        cells = {row: cell.removesuffix("%") for row, cell in cells.items()}
        assumed.append("per cent")
    convention = _convention(list(cells.values()), plain[~np.isnan(plain)], decimal_comma)
    values = plain.copy()
    for row, cell in cells.items():
        values[row] = _number(cell, convention)
    if convention and any("," in cell and not np.isnan(values[row]) for row, cell in cells.items()):
        assumed.append(convention)
    return Numbers(values, tuple(assumed))


def _convention(cells: list[str], plain: NDArray[np.float64], decimal_comma: bool) -> str | None:
    """Return what a comma means in a column, or None if there is none, or if it means both."""
    with_comma = [cell for cell in cells if "," in cell]
    decimal = any(
        (_COMMA.fullmatch(cell) and not _GROUPS.fullmatch(cell)) or (cell.count(".") and _is_decimal(cell))
        for cell in with_comma
    )
    thousands = any(_GROUPS_WITH_POINT.fullmatch(cell) or cell.count(",") > 1 for cell in with_comma)
    if not with_comma or (decimal and thousands):
        return None
    fractions = plain[plain % 1 != 0]
    if decimal:
        return None if len(fractions) else "decimal comma"
    if thousands or len(fractions):
        return "thousands separated by commas"
    # Left are cells such as 1,234. A whole number of three digits next to them has no comma, for it needs none.
    if not decimal_comma and len(plain) and abs(plain).max() >= 100:
        return "thousands separated by commas"
    return "decimal comma"


def _is_decimal(cell: str) -> bool:
    return _COMMA_WITH_POINTS.fullmatch(cell) is not None and "," in cell


def _number(cell: str, convention: str | None) -> float:
    if convention == "decimal comma" and (_COMMA.fullmatch(cell) or _COMMA_WITH_POINTS.fullmatch(cell)):
        cell = cell.replace(".", "").replace(",", ".")
    elif convention == "thousands separated by commas" and (
        _GROUPS.fullmatch(cell) or _GROUPS_WITH_POINT.fullmatch(cell)
    ):
        cell = cell.replace(",", "")
    elif _COMMA_WITH_POINTS.fullmatch(cell) and cell.count(".") > 1 and "," not in cell:
        cell = cell.replace(".", "")
    try:
        return float(cell) if re.fullmatch(r"[+-]?[\d.]+(?:e[+-]?\d+)?", cell, re.IGNORECASE) else float("nan")
    except ValueError:
        return float("nan")
