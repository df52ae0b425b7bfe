"""Checksummed lines: the three stored formats, damage of every kind, and appends that a full disk stops."""

import errno
import json
from io import FileIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.checksummed_jsonl import (
    DamagedLine,
    LineFormat,
    MissingChecksum,
    append_whole,
    line_start,
    truncate_torn_line,
)

CONTENT = {"epoch": 3, "ä": [1 / 3, True, None, "a\nb"], "nested": {"crc": "x"}}
FORMATS = {
    "journal": (LineFormat("crc", compact=True), b'{"op_code":5,"crc":"70a24fe2"}\n', {"op_code": 5}),
    "spool": (LineFormat("crc", covers_brace=False), b'{"v": 2, "crc": "3161982c"}\n', {"v": 2}),
    "epochs": (LineFormat("crc32"), b'{"number": 1, "crc32": "e03415ef"}\n', {"number": 1}),
}


@pytest.mark.parametrize("form", FORMATS)
def test_a_stored_line_keeps_its_bytes(form):
    lines, stored, content = FORMATS[form]
    assert lines.encode(content) == stored and lines.decode(stored) == content


@pytest.mark.parametrize("form", FORMATS)
def test_a_line_is_json_and_decodes_to_its_content(form):
    lines, *_ = FORMATS[form]
    line = lines.encode(CONTENT)
    assert line.count(b"\n") == 1 and lines.decode(line) == CONTENT and lines.is_intact(line)
    assert json.loads(line) == {**CONTENT, lines.key: json.loads(line)[lines.key]}


@given(st.sampled_from(list(FORMATS)), st.data())
def test_a_changed_byte_is_detected(form, data):
    lines, *_ = FORMATS[form]
    line = bytearray(lines.encode(CONTENT))
    line[data.draw(st.integers(0, len(line) - 1))] ^= data.draw(st.integers(1, 255))
    assert not lines.is_intact(bytes(line))
    with pytest.raises(DamagedLine):
        lines.decode(bytes(line))


@given(st.sampled_from(list(FORMATS)), st.data())
def test_a_part_of_a_line_is_damaged(form, data):
    lines, *_ = FORMATS[form]
    line = lines.encode(CONTENT)
    cut = data.draw(st.integers(1, len(line) - 1))
    assert not lines.is_intact(line[:cut]) and not lines.is_intact(line[cut:])


@pytest.mark.parametrize("line", [b"", b"\n", b"{}\n", b'{"v": 2}\n', b'{"v": 2, "other": "88bd8d81"}\n'])
def test_a_line_of_another_format_lacks_the_checksum(line):
    with pytest.raises(MissingChecksum, match="incomplete"):
        LineFormat("crc").decode(line)


@given(st.lists(st.binary().filter(lambda part: b"\n" not in part), min_size=1, max_size=5), st.data())
def test_the_start_of_a_line_is_behind_the_line_feed_before_it(tmp_path_factory, parts, data):
    path = tmp_path_factory.mktemp("lines") / "file"
    content = b"\n".join(parts)
    path.write_bytes(content)
    position = data.draw(st.integers(0, len(content)))
    with path.open("rb") as file:
        assert line_start(file, position) == content[:position].rfind(b"\n") + 1


def test_the_start_of_a_line_is_found_in_a_line_longer_than_a_block(tmp_path):
    (tmp_path / "file").write_bytes(b"a\n" + b"b" * 200_000)
    with (tmp_path / "file").open("rb") as file:
        assert line_start(file, 200_002) == 2


@pytest.mark.parametrize(("content", "torn"), [(b"", 0), (b"a\n", 0), (b"a\nbc", 2), (b"bcd", 3)])
def test_a_torn_line_is_cut_off(tmp_path, content, torn):
    (tmp_path / "file").write_bytes(content)
    with FileIO(tmp_path / "file", "a+") as file:
        assert truncate_torn_line(file) == torn
    assert (tmp_path / "file").read_bytes() == content[: len(content) - torn]


class Disk(FileIO):
    """File on a disk with room for a number of bytes; a write takes at most 4 of them."""

    room = 0

    def write(self, data) -> int:
        if not self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        part = bytes(data)[: min(4, self.room)]
        self.room -= len(part)
        return super().write(part)


@pytest.mark.parametrize("room", [0, 1, 9])
def test_an_append_to_a_full_disk_leaves_the_file_as_it_was(tmp_path, room):
    (tmp_path / "file").write_bytes(b"first\n")
    with Disk(tmp_path / "file", "a") as file:
        file.room = room
        with pytest.raises(OSError, match="No space left"):
            append_whole(file, b"second line\n", 6)
        assert (tmp_path / "file").read_bytes() == b"first\n"
        file.room = 100
        append_whole(file, b"second line\n", 6, sync=True)
    assert (tmp_path / "file").read_bytes() == b"first\nsecond line\n"
