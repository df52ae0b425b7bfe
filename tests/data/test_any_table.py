"""No table, however broken, ends a command with an exception of Python."""

import json
import string
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.core.errors import InputError
from orchestrator.data.datasets.csv_file import csv_file
from orchestrator.data.progress import silent
from orchestrator.data.read_table import open_table
from orchestrator.registry.score_inputs import read_requests

SHARED_FOLDER = settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)

cells = st.one_of(
    st.sampled_from(["", " ", "NA", "None", "null", "1", "0,5", "1,234", "1.234,5", "85 %", "inf", "1e39", "n/a"]),
    st.sampled_from(["a.png", "C:\\x\\a.png", "https://x.org/a.png", "ß é 猫", "=1+1", "\u2212", "\ufeff", "x" * 300]),
    st.sampled_from(['"', '""', "'", "#", "[", "{}"]),
    st.text(max_size=6),
    st.floats().map(str),
)
headers = st.sampled_from(
    ["image", "prompt", "quality", "alignment", "Quality", " quality", "IMAGE", "generator", "name", "mos_quality"]
    + ["std_quality", "", "quality.1", "group", "file_name", "Unnamed: 0", "part", "id", "#", "criteria"]
)


@st.composite
def tables(draw: st.DrawFn) -> bytes:
    """Draw a table of random cells, separators, quotes, line ends and encodings."""
    separator = draw(st.sampled_from([",", ";", "\t", "|"]))
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    quote = draw(st.booleans())

    def line(row: list[str]) -> str:
        return separator.join('"' + cell.replace('"', '""') + '"' if quote else cell for cell in row)

    header = draw(st.lists(headers, min_size=1, max_size=6))
    width = len(header)
    rows = draw(st.lists(st.lists(cells, min_size=width - 1, max_size=width + draw(st.integers(0, 1))), max_size=6))
    before = draw(st.sampled_from(["", "sep=;" + end, "# note" + end, end, "sep=" + end]))
    text = before + end.join([line(header), *map(line, rows)]) + draw(st.sampled_from(["", end, end * 3]))
    encoding = draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252", "utf-16-le", "shift_jis"]))
    return text.encode(encoding, errors="replace")


def attempt(path: Path) -> None:
    """Read a file as ratings and as images to score: rows, or a sentence that names what is wrong."""
    for columns in ({}, {"group": "group", "alignment": "quality"}):
        try:
            raw = csv_file(str(path), None, silent, columns)
            assert len(raw.table) == len(raw.lines) and raw.targets
        except InputError as error:
            assert "\n" not in str(error).strip() and str(error).endswith((".", "?"))
    try:
        inputs = read_requests([path], None, None)
        assert len(inputs.images) == len(inputs.prompts)
    except InputError:
        pass


@SHARED_FOLDER
@given(content=tables())
def test_made_tables_are_read_or_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    attempt(path)


@SHARED_FOLDER
@given(
    content=st.binary(max_size=200), suffix=st.sampled_from([".csv", ".xlsx", ".parquet", ".jsonl", ".json", ".tsv"])
)
def test_any_bytes_are_read_or_refused(tmp_path: Path, content: bytes, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    attempt(path)


@pytest.mark.parametrize("suffix", [".jsonl", ".json"])
@SHARED_FOLDER
@given(
    rows=st.lists(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(string.printable, max_size=5),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(headers, inner, max_size=5),
        ),
        max_size=5,
    )
)
def test_any_json_is_read_or_refused(tmp_path: Path, suffix: str, rows: list[object]) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_text(json.dumps(rows) if suffix == ".json" else "\n".join(map(json.dumps, rows)), encoding="utf-8")
    attempt(path)


@pytest.mark.parametrize(
    "content", [bytes(50), b"\xff\xfe", b"\xff\xfeA", b"\xef\xbb\xbf", b'"', b",", b"\n", b"#", b"sep="]
)
def test_the_shortest_files_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(InputError):
        open_table(tmp_path / "a.csv").require(["image"])
    attempt(tmp_path / "a.csv")
