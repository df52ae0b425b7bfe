"""Rows of a delimited text: its separator is found, comment lines and blank rows are skipped."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

from orchestrator.core.errors import InputError
from orchestrator.data.tables.decode_text import decode_text
from orchestrator.data.tables.raw_rows import Records

_SEPARATORS = (",", ";", "\t", "|")
_NAMES = {"\t": "tab"}
_END = "\x1fend"
"""Appended as a last row; it is part of a longer cell if a quote before it is not closed."""
_LONGEST_CELL = 2**31 - 1
_PROBED_ROWS = 50


def read_delimited(content: bytes, path: Path, header: bool = True) -> Records:
    """Return the rows of a text file, those without any cell and those that begin with # excluded.

    Raises:
        InputError: the file is not text, is empty, or has a quote that is not closed.
    """
    text, assumed = decode_text(content, path)
    if not text.strip():
        raise InputError(f"{path} is empty.")
    named, text, skipped = _named_separator(text)
    separator = named or _choose_separator(text)
    rows: list[list[str]] = []
    lines: list[int] = []
    comments = 0
    commented: tuple[int, list[str]] | None = None
    for line, cells in _parse(text, separator, path):
        if not any(cell.strip() for cell in cells):
            continue
        if _is_comment(cells, rows[0] if rows else None):
            comments += 1
            commented = (line + skipped, cells)
            continue
        if not rows and commented and len(commented[1]) == len(cells) > 1:  # as NumPy writes a header
            lines.append(commented[0])
            rows.append([commented[1][0].removeprefix("# "), *commented[1][1:]])
            comments -= 1
        rows.append(cells)
        lines.append(line + skipped)
    if separator != ",":
        assumed.insert(0, f"separator {_NAMES.get(separator, chr(34) + separator + chr(34))}")
    if comments:
        assumed.append(f"{comments} comment line{'s' if comments > 1 else ''} skipped")
    return Records(path, rows, lines, assumed, header)


def _named_separator(text: str) -> tuple[str | None, str, int]:
    """Return the separator that a first line `sep=;` names, the text after that line, and its lines."""
    first, _, rest = text.partition("\n")
    name = first.strip("\r\ufeff \"'")
    if name[:4].lower() != "sep=":
        return None, text, 0
    named = name[4:5] or ("\t" if "\t" in first else "")
    return named or None, rest, 1


def _choose_separator(text: str) -> str:
    """Return the separator that splits the header and agrees best with the rows; a comma if none does."""
    best, agreement = ",", 0.0
    sample = text[: 2**18]
    for separator in _SEPARATORS:
        rows = [cells for _, cells in zip(range(_PROBED_ROWS), _rows(sample, separator), strict=False)]
        rows = [cells for cells in rows if any(cell.strip() for cell in cells) and not cells[0].startswith("#")]
        if not rows or len(rows[0]) < 2:
            continue
        widths = Counter(map(len, rows))
        agrees = widths[len(rows[0])] / len(rows)
        if agrees > agreement:
            best, agreement = separator, agrees
    return best


def _rows(text: str, separator: str) -> Iterator[list[str]]:
    csv.field_size_limit(_LONGEST_CELL)
    return csv.reader(StringIO(text, newline=""), delimiter=separator)


def _parse(text: str, separator: str, path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the line on which each row begins, and its cells."""
    csv.field_size_limit(_LONGEST_CELL)
    ended = text if text.endswith(("\n", "\r")) else text + "\n"
    reader = csv.reader(StringIO(ended + _END, newline=""), delimiter=separator)
    begins = 1
    try:
        for cells in reader:
            if cells == [_END]:
                return
            if cells and cells[-1].endswith(_END):
                raise InputError(f"{path}, line {begins}: a quote is opened and not closed.")
            yield begins, cells
            begins = reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"{path}, line {begins}: {error}.") from None


def _is_comment(cells: list[str], header: list[str] | None) -> bool:
    if not cells[0].lstrip().startswith("#") or cells[0].strip() == "#":
        return False
    return header is None or (len(cells) == 1 < len(header))
