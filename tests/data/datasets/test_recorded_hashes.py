"""Data hashes of tables that earlier versions read: a change would recompute features and refuse to resume sweeps."""

import gzip
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from orchestrator.data import load_dataset

ROWS = 40
HEADER = "image,prompt,quality,mos_alignment,std_alignment,generator"


def _row(row: int) -> str:
    prompt = ['"a, ""b"""', "null", "NA", "007", "ß 猫", '"two\nlines"', " padded ", "1e3"][row % 8]
    generator = ["sd", "", "NA", "None"][row % 4]
    return f"{row:02d}.ppm,{prompt},{1 + row / 8:g},{row % 7}.{row % 3}5,0.{row % 9},{generator}"


def _plain() -> list[str]:
    return [HEADER, *map(_row, range(ROWS))]


def _with_holes() -> list[str]:
    lines = _plain()
    lines[7] = lines[7].replace(",1.75,", ",n/a,")
    return [*lines, ",,,,,"]


def _short_rows() -> list[str]:
    return [HEADER, *(line.removesuffix(",") for line in _plain()[1:])]


def _indexed() -> list[str]:
    return ["," + HEADER, *(f"{number},{line}" for number, line in enumerate(_plain()[1:]))]


def _row_names() -> list[str]:
    return [HEADER, *(f"{number},{line}" for number, line in enumerate(_plain()[1:]))]


def _text(lines: list[str], end: str = "\n") -> bytes:
    return (end.join(lines) + end).encode()


def _workbook(path: Path) -> None:
    columns = {
        "image": [f"{row:02d}.ppm" for row in range(ROWS)],
        "prompt": [["null", "007", "NA", "1e3"][row % 4] for row in range(ROWS)],
        "quality": [row / 8 for row in range(ROWS)],
        "whole": [row % 5 for row in range(ROWS)],
    }
    pd.DataFrame(columns).to_excel(path, index=False)


def _bytes(content: bytes) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(content) and None


PLAIN = "dc0c808f5955b7c2470ab1d0a81683b6dbafdeb23d034778fa1c07883c3e02ca"
TABLES: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "plain": ("a.csv", _bytes(_text(_plain())), PLAIN),
    "byte order mark": ("a.csv", _bytes(b"\xef\xbb\xbf" + _text(_plain())), PLAIN),
    "blanks in the header": ("a.csv", _bytes(_text([HEADER.replace(",", " , "), *_plain()[1:]])), PLAIN),
    "carriage returns": ("a.csv", _bytes(_text(_plain(), "\r\n")), PLAIN),
    "holes": (
        "a.csv",
        _bytes(_text(_with_holes())),
        "093a7448ce34f14e4fc72d6854d55ae4e936a90019a27f1de2540dd48cc73a1a",
    ),
    "short rows": ("a.csv", _bytes(_text(_short_rows())), PLAIN),
    "index column": ("a.csv", _bytes(_text(_indexed())), PLAIN),
    "row names": ("a.csv", _bytes(_text(_row_names())), PLAIN),
    "capital score": (
        "a.csv",
        _bytes(_text([HEADER.replace("quality", "Quality"), *_plain()[1:]])),
        "2c550f60e6f6005ac066e5e9c079a093aa866d2aea26b80123e585a2d7319446",
    ),
    "compressed": ("a.csv.gz", _bytes(gzip.compress(_text(_plain()), mtime=0)), PLAIN),
    "workbook": ("a.xlsx", _workbook, "8fb68535e963bb43d9f476cf23aa8f2b1027c3443353f9db24123f437df4e07b"),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for row in range(ROWS):
        (tmp_path / f"{row:02d}.ppm").write_bytes(b"P6 4 4 255\n" + bytes([row, 2 * row, 255 - row]) * 16)
    return tmp_path


@pytest.mark.parametrize("kind", TABLES)
def test_the_hash_is_the_recorded_one(folder: Path, kind: str) -> None:
    name, write, recorded = TABLES[kind]
    write(folder / name)
    assert load_dataset(f"csv:{folder / name}").data_hash == recorded
