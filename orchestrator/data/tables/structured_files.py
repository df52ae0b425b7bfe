"""Rows of workbooks, Parquet files and JSON lines."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from typing import Any

from orchestrator.core.errors import InputError, reason
from orchestrator.data.tables.decode_text import decode_text
from orchestrator.data.tables.raw_rows import Records


def read_workbook(content: bytes, path: Path, header: bool = True) -> Records:
    """Return the rows of an `.xlsx` workbook's first sheet; raise InputError if it cannot be read."""
    import pandas as pd

    try:
        # The header is a row like any other, so that a doubled name is seen as it is written.
        sheet = pd.read_excel(BytesIO(content), dtype=str, keep_default_na=False, header=None, engine="openpyxl")
    except Exception as error:  # openpyxl raises whatever a broken file leads to
        raise InputError(f"{path} cannot be read as an .xlsx workbook: {reason(error)}.") from None
    rows = [["" if cell is None else str(cell) for cell in row] for row in sheet.itertuples(index=False, name=None)]
    kept = [number for number, row in enumerate(rows) if any(cell.strip() for cell in row)]
    return Records(path, [rows[number] for number in kept], [number + 1 for number in kept], header=header)


def read_parquet(content: bytes, path: Path) -> Records:
    """Return the rows of a Parquet file; raise InputError if it cannot be read."""
    try:
        from pyarrow import parquet

        table = parquet.read_table(BytesIO(content))
        pictures = [field.name for field in table.schema if _holds_bytes(field.type)]
        table = table.drop_columns(pictures)
        columns = [[_text(cell) for cell in column.to_pylist()] for column in table.columns]
    except Exception as error:  # pyarrow raises whatever a broken file leads to
        raise InputError(f"{path} cannot be read as a Parquet file: {reason(error)}.") from None
    rows = [list(map(str, table.column_names)), *map(list, zip(*columns, strict=True))]
    if "image" in pictures:
        raise InputError(f"{path}: the column image holds pictures, not paths: save them as files and name those.")
    return Records(path, rows, list(range(len(rows))), ["Parquet"])


def _holds_bytes(kind: Any) -> bool:
    """Return whether a column's cells are bytes, or have bytes in them as pictures of the Hugging Face hub do."""
    from pyarrow import types

    if types.is_struct(kind):
        return any(_holds_bytes(field.type) for field in kind)
    return bool(types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind))


def read_json_lines(content: bytes, path: Path) -> Records:
    """Return the rows of JSON lines, or of a JSON list of objects.

    Raises:
        InputError: a line is not a JSON object; the message names it.
    """
    text, assumed = decode_text(content, path)
    records = _json_list(text) if text.lstrip().startswith("[") else None
    if records is None:
        records = [_json_object(line, number, path) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    names: dict[str, None] = {}
    for _, record in records:
        names.update(dict.fromkeys(record))
    rows = [[_text(record.get(name)) for name in names] for _, record in records]
    return Records(path, [list(names), *rows], [0, *(line for line, _ in records)], ["JSON lines", *assumed])


def _json_list(text: str) -> list[tuple[int, dict[str, Any]]] | None:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(content, list) or not all(isinstance(record, dict) for record in content):
        return None
    return list(enumerate(content, 1))


def _json_object(line: str, number: int, path: Path) -> tuple[int, dict[str, Any]]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        raise InputError(f"{path}, line {number}: this is not JSON.") from None
    if not isinstance(record, dict):
        raise InputError(f'{path}, line {number}: expected an object such as {{"image": "1.png"}}.')
    return number, record


def _text(cell: Any) -> str:
    """Return a cell as text: "" for none, JSON for lists and objects."""
    if cell is None:
        return ""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, (bool, dict, list)):
        return json.dumps(cell, ensure_ascii=False, default=str)
    return str(cell)
