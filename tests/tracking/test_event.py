"""A spooled line: what was written comes back, and nothing else does."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.checksummed_jsonl import DamagedLine
from orchestrator.tracking.event import SCHEMA_VERSION, Event, NewerSpool, decode, encode

EVENT = Event("metrics", "trial-0001", {"step": 3, "metrics": {"val_srcc": 0.123456789, "ä": float("inf")}}, 1234)
LINE = encode(EVENT)


def test_an_event_is_decoded_from_its_line():
    assert LINE.count(b"\n") == 1 and decode(LINE) == EVENT
    assert json.loads(LINE)["v"] == SCHEMA_VERSION


@given(st.integers(0, len(LINE) - 1), st.integers(1, 255))
def test_a_changed_byte_is_detected(place, change):
    damaged = bytearray(LINE)
    damaged[place] ^= change
    try:
        decode(bytes(damaged))
    except (DamagedLine, NewerSpool):
        return
    pytest.fail("the damaged line was read")


@given(st.integers(0, len(LINE) - 2))
def test_a_part_of_a_line_is_damaged(length):
    with pytest.raises(DamagedLine):
        decode(LINE[:length])
    with pytest.raises(DamagedLine):
        decode(LINE[length + 1 :])


def test_two_joined_lines_are_damaged():
    with pytest.raises(DamagedLine):
        decode(LINE[:-20] + LINE)


@pytest.mark.parametrize(
    "line", [b'{"kind": "end", "run": "sweep", "data": {}, "time": 5}\n', b'[{"v": 3}]\n', b"{}\n"]
)
def test_a_line_without_version_and_checksum_is_damaged(line):
    with pytest.raises(DamagedLine):
        decode(line)


@pytest.mark.parametrize("line", [b'{"v": 3, "other": 1}\n', b'{"v": "3.1", "x": 1, "crc": 7}\n'])
def test_a_later_version_is_refused_with_the_reason(line):
    with pytest.raises(NewerSpool, match=r"schema version 3.*up to 2.*later version"):
        decode(line)
