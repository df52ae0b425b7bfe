"""Rows of a table file of any format, recognised by its first bytes and its name."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zipfile
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

from orchestrator.core.errors import InputError, reason
from orchestrator.data.tables.delimited_text import read_delimited
from orchestrator.data.tables.raw_rows import Records
from orchestrator.data.tables.structured_files import read_json_lines, read_parquet, read_workbook

TABLE_SUFFIXES = frozenset({".csv", ".tsv", ".xlsx", ".parquet", ".jsonl", ".ndjson"})
"""Endings of files that are tables and not images."""

_JSON = {".json", ".jsonl", ".ndjson"}
_COMPRESSED: tuple[tuple[bytes, Callable[[bytes], bytes]], ...] = (
    (b"\x1f\x8b", gzip.decompress),
    (b"BZh", bz2.decompress),
    (b"\xfd7zXZ\x00", lzma.decompress),
)
_ZIP, _OLD_EXCEL, _PARQUET = b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"PAR1"
_SHEETS = "[Content_Types].xml"


def read_records(path: Path, header: bool = True) -> Records:
    """Return the rows of a table file.

    Raises:
        InputError: the file is missing or cannot be read; the message names it, and the line if there is one.
    """
    if not path.is_file():
        raise InputError(f"There is no file {path}; {what_is_in(path.parent)}.")
    try:
        content, suffix = _decompress(path.read_bytes(), path)
    except (OSError, EOFError, ValueError, RuntimeError, zlib.error, lzma.LZMAError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} cannot be read: {reason(error)}.") from None
    if content.startswith(_OLD_EXCEL):
        raise InputError(f"{path} is a workbook of an old Excel, or encrypted: save it as .xlsx or as CSV.")
    if suffix == ".xlsx" or _is_workbook(content):
        return read_workbook(content, path, header)
    if suffix == ".parquet" or content.startswith(_PARQUET):
        return read_parquet(content, path)
    if content[:200].lstrip().lower().startswith((b"<html", b"<!doctype", b"<table", b"<?xml")):
        raise InputError(f"{path} is a web page or XML, not a table: save it as CSV.")
    if suffix in _JSON:
        return read_json_lines(content, path)
    return read_delimited(content, path, header)


def what_is_in(folder: Path) -> str:
    """Return a clause that lists a folder's content, for a message about a missing file."""
    beside = sorted(entry.name for entry in folder.iterdir())[:8] if folder.is_dir() else []
    return f"the folder holds {', '.join(beside)}" if beside else "the folder is empty or does not exist"


def _decompress(content: bytes, path: Path) -> tuple[bytes, str]:
    """Return the content of a file that may be compressed, and the ending of its name without that of the archive."""
    for magic, decompress in _COMPRESSED:
        if content.startswith(magic):
            return decompress(content), path.with_suffix("").suffix.lower()
    if content.startswith(_ZIP) and path.suffix.lower() != ".xlsx" and not _is_workbook(content):
        with zipfile.ZipFile(BytesIO(content)) as archive:
            members = [name for name in archive.namelist() if not name.endswith("/")]
            if len(members) != 1:
                raise InputError(f"{path} is an archive of {len(members)} files: unpack it and name the table.")
            return archive.read(members[0]), Path(members[0]).suffix.lower()
    return content, path.suffix.lower()


def _is_workbook(content: bytes) -> bool:
    if not content.startswith(_ZIP):
        return False
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            return _SHEETS in archive.namelist()
    except (zipfile.BadZipFile, ValueError):
        return False
