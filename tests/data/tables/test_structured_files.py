"""Workbooks, Parquet files and JSON lines."""

import json
import zipfile
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from orchestrator.core.errors import InputError
from orchestrator.data.read_table import open_table

ROWS = [
    {"image": "1.png", "prompt": "null", "quality": 1.5},
    {"image": "2.png", "prompt": "007", "quality": 2},
    {"image": "3.png", "prompt": None, "quality": None},
]
CELLS = [["1.png", "null", "1.5"], ["2.png", "007", "2.0"], ["3.png", "", ""]]


def test_a_parquet_file_is_read_as_text(tmp_path: Path) -> None:
    parquet.write_table(pa.Table.from_pylist(ROWS), tmp_path / "a.parquet")
    table = open_table(tmp_path / "a.parquet")
    assert table.cells.values.tolist() == CELLS and table.assumed == ("Parquet",)


def test_a_parquet_file_with_pictures_in_it_is_refused_by_the_column(tmp_path: Path) -> None:
    picture = {"bytes": b"\x89PNG", "path": "1.png"}
    parquet.write_table(pa.Table.from_pylist([{"image": picture, "quality": 1.0}]), tmp_path / "a.parquet")
    with pytest.raises(InputError, match="the column image holds pictures, not paths"):
        open_table(tmp_path / "a.parquet")


@pytest.mark.parametrize("listed", [False, True])
def test_json_lines_and_a_json_list_are_read_as_text(tmp_path: Path, listed: bool) -> None:
    path = tmp_path / ("a.json" if listed else "a.jsonl")
    path.write_text(json.dumps(ROWS) if listed else "\n".join(map(json.dumps, ROWS)), encoding="utf-8")
    table = open_table(path)
    assert [row[:2] for row in table.cells.values.tolist()] == [row[:2] for row in CELLS]
    assert table.cells["quality"].tolist() == ["1.5", "2", ""] and table.lines == (1, 2, 3)


@pytest.mark.parametrize(
    "name, content, sentence",
    [
        ("a.jsonl", b'{"image": "1.png"}\n{"image": \n', "line 2: this is not JSON"),
        ("a.jsonl", b'{"image": "1.png"}\n\n[1]\n', "line 3: expected an object"),
        ("a.jsonl", b"[" * 100_000, "line 1: this is not JSON"),
        ("a.parquet", b"PAR1 broken", "cannot be read as a Parquet file"),
        ("a.xlsx", b"PK\x03\x04 broken", "cannot be read as an .xlsx workbook"),
    ],
)
def test_broken_files_name_what_they_should_be(tmp_path: Path, name: str, content: bytes, sentence: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=sentence):
        open_table(tmp_path / name)


def test_a_workbook_is_known_by_its_content_and_keeps_the_row_numbers_of_its_sheet(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        [["1.png", "x", 1], [None, None, None], ["2.png", "y", 2]], columns=["image", "prompt", "quality"]
    )
    frame.to_excel(tmp_path / "a.xlsx", index=False)
    (tmp_path / "a.xlsx").rename(tmp_path / "a.csv")
    table = open_table(tmp_path / "a.csv")
    assert table.cells["image"].tolist() == ["1.png", "2.png"] and table.lines == (2, 4)


def test_an_archive_of_one_table_is_read_and_one_of_several_files_is_refused(tmp_path: Path) -> None:
    for number, names in enumerate((["a.csv"], ["a.csv", "b.csv"])):
        with zipfile.ZipFile(tmp_path / f"{number}.zip", "w") as archive:
            for name in names:
                archive.writestr(name, "image,quality\n1.png,1\n")
    assert open_table(tmp_path / "0.zip").cells["image"].tolist() == ["1.png"]
    with pytest.raises(InputError, match="an archive of 2 files"):
        open_table(tmp_path / "1.zip")
