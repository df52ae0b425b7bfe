"""Tables as text: encodings, separators, comment lines, line numbers."""

import gzip
from pathlib import Path

import pytest

from orchestrator.core.errors import InputError
from orchestrator.data.read_table import Table, open_table

PLAIN = "image,prompt,quality\n1.png,a grün thing,1.5\n2.png,another,2.5\n3.png,a third,0.25\n"


def read(tmp_path: Path, content: bytes | str, name: str = "a.csv") -> Table:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return open_table(path)


def plain(tmp_path: Path) -> list[list[str]]:
    return read(tmp_path, PLAIN, "plain.csv").cells.values.tolist()


@pytest.mark.parametrize(
    "content, assumed",
    [
        (PLAIN, ()),
        (PLAIN.replace("\n", "\r\n"), ()),
        (PLAIN.replace("\n", "\r"), ()),
        (PLAIN.rstrip("\n"), ()),
        ("\ufeff" + PLAIN, ()),
        (PLAIN.replace(",", ";"), ('separator ";"',)),
        (PLAIN.replace(",", "\t"), ("separator tab",)),
        (PLAIN.replace(",", "|"), ('separator "|"',)),
        ("sep=;\n" + PLAIN.replace(",", ";"), ('separator ";"',)),
        ("sep=,\r\n" + PLAIN, ()),
        (PLAIN.encode("utf-16"), ("UTF-16",)),
        (PLAIN.encode("utf-16-le"), ("UTF-16",)),
        (PLAIN.encode("utf-16-be"), ("UTF-16",)),
        (PLAIN.encode("utf-32"), ("UTF-32",)),
        (PLAIN.encode("latin-1"), ("latin-1",)),
        (PLAIN.replace(",", ";").encode("latin-1"), ('separator ";"', "latin-1")),
        (PLAIN.replace("2.png", "2\0.png"), ("NUL characters removed",)),
        ("# exported, 2024\n" + PLAIN, ("1 comment line skipped",)),
        (PLAIN + "# end\n", ("1 comment line skipped",)),
        (PLAIN + ",,\n ,,\n\n,,,,,\n", ()),
        ("\n\n" + PLAIN, ()),
        (PLAIN.replace("\n", ",\n"), ()),
        (gzip.compress(PLAIN.encode(), mtime=0), ()),
    ],
)
def test_every_export_of_a_table_has_the_same_cells(
    tmp_path: Path, content: bytes | str, assumed: tuple[str, ...]
) -> None:
    table = read(tmp_path, content)
    assert [row[:3] for row in table.cells.values.tolist()] == plain(tmp_path)
    assert list(table.cells.columns)[:3] == ["image", "prompt", "quality"]
    assert table.assumed == assumed


def test_windows_1252_is_known_by_its_quotes_and_other_alphabets_by_their_letters(tmp_path: Path) -> None:
    table = read(tmp_path, PLAIN.replace("another", "a “red” fox").encode("cp1252"))
    assert table.assumed == ("windows-1252",) and table.cells["prompt"][1] == "a “red” fox"
    russian = PLAIN.replace("another", "красный лис на снегу").replace("grün", "зимний лес и лиса")
    table = read(tmp_path, russian.encode("cp1251"))
    assert table.assumed == ("windows-1251",) and table.cells["prompt"][1] == "красный лис на снегу"


@pytest.mark.parametrize(
    "content, sentence",
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\2\0\0\0", "cannot be read as a CSV file: it is not text"),
        (b"\xd0\xcf\x11\xe0" + bytes(64), "old Excel"),
        (b"<html><table><tr><td>1</table>", "a web page or XML"),
        (b"\x1f\x8b\x08\0broken", "cannot be read"),
        (b"PK\x03\x04broken", "cannot be read"),
        (
            "image,prompt\n1.png,雪の中の赤い狐と白い家\n2.png,青い海と空\n".encode("shift_jis"),
            "save the file as UTF-8",
        ),
        ("image,prompt\n1.png,häß üöä\n2.png,".encode() + b"caf\xe9\n", "line 3: a character is not UTF-8"),
        ('image,prompt\n1.png,"open\n2.png,x\n', "line 2: a quote is opened and not closed"),
        ("image,prompt,quality\n1.png,x,1\n2.png,x,3,5\n", "line 3: 4 cells, but the header has 3"),
        ("\n# note\nimage,prompt,quality\n1.png,x,3,5\n", "line 4: 4 cells, but the header has 3"),
        ('image,prompt,quality\n"1.png","two\nlines",1\n2.png,x,3,5\n', "line 4: 4 cells, but the header has 3"),
    ],
)
def test_what_cannot_be_read_names_the_file_and_the_line(tmp_path: Path, content: bytes | str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence) as refused:
        read(tmp_path, content)
    assert str(tmp_path / "a.csv") in str(refused.value)


def test_lines_are_counted_over_comments_blank_rows_and_line_breaks_in_cells(tmp_path: Path) -> None:
    table = read(tmp_path, 'sep=,\n# note\nimage,prompt\n\n1.png,"two\nlines"\n,\n2.png,x\n')
    assert table.lines == (5, 8)


def test_row_names_without_a_header_are_dropped_and_a_wide_row_is_not_taken_for_one(tmp_path: Path) -> None:
    lines = PLAIN.splitlines()
    named = [lines[0], *(f"{number},{line}" for number, line in enumerate(lines[1:], 1))]
    assert read(tmp_path, "\n".join(named)).cells.values.tolist() == plain(tmp_path)
    with pytest.raises(InputError, match="line 2: 4 cells"):
        read(tmp_path, "image,prompt,quality\n1.png,x,3,5\n2.png,x,2,5\n")


def test_doubled_headers_are_one_column_if_their_cells_agree(tmp_path: Path) -> None:
    table = read(tmp_path, "image,prompt,quality,quality\n1.png,x,1,1\n2.png,x,2,2\n")
    assert list(table.cells.columns) == ["image", "prompt", "quality"] and table.doubled == {}
    table = read(tmp_path, "image,prompt,quality, quality\n1.png,x,1,2\n")
    assert table.doubled == {"quality": (3, 4)}
    with pytest.raises(InputError, match="the columns 3 and 4 are all called quality"):
        table.require(["quality"])


def test_required_columns_are_found_in_any_case_with_blanks_and_underscores(tmp_path: Path) -> None:
    table = read(tmp_path, "IMAGE, Prompt ,MOS Quality\n1.png,x,1\n").require(["image", "prompt", "mos_quality"])
    assert list(table.cells.columns) == ["image", "prompt", "mos_quality"]


def test_a_compressed_file_is_read_by_the_ending_inside(tmp_path):
    content = gzip.compress(b'{"image": "1.png", "quality": 1.5}\n', mtime=0)
    assert read(tmp_path, content, "a.jsonl.gz").cells.values.tolist() == [["1.png", "1.5"]]


def test_an_encrypted_workbook_is_named(tmp_path):
    with pytest.raises(InputError, match="old Excel, or encrypted"):
        read(tmp_path, b"\xd0\xcf\x11\xe0" + bytes(64), "a.xlsx")


@pytest.mark.parametrize("first", ["# image", "#id"])
def test_a_header_that_begins_with_a_hash_is_not_a_comment(tmp_path, first):
    table = read(tmp_path, f"{first},prompt,quality\n1.png,a fox,1.5\n")
    assert list(table.cells.columns)[1:] == ["prompt", "quality"] and len(table.cells) == 1
