"""Rows of a table file before its header is read."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Records:
    """Cells of a file, row by row, as text.

    Attributes:
        path: the file.
        rows: cells of each row, "" for an empty one; the header is the first row if the file has one.
        lines: number of each row in the file, from 1; the line of a text, the row of a sheet.
        assumed: what the reader assumed, such as 'separator ";"'.
        header: False if the columns have no names.
    """

    path: Path
    rows: list[list[str]]
    lines: list[int]
    assumed: list[str] = field(default_factory=list)
    header: bool = True

    def place(self, row: int) -> str:
        """Return the file and the line of a row, for a message.

        Example:
            >>> Records(Path("a.csv"), [["image"], ["1.png"]], [1, 2]).place(1)
            'a.csv, line 2'
        """
        return f"{self.path}, line {self.lines[row]}"
