import json

import pytest

from orchestrator.core.errors import InputError
from orchestrator.data.criteria_file import read_criteria


def written(folder, *entries):
    path = folder / "criteria.jsonl"
    path.write_text(
        "".join(f"{entry if isinstance(entry, str) else json.dumps(entry)}\n" for entry in entries), encoding="utf-8"
    )
    return path


def test_each_row_gets_its_prompts_criteria(tmp_path):
    path = written(
        tmp_path,
        {"prompt": "a red fox", "criteria": "one fox, red"},
        "",
        {"prompt": "Two  Cats", "criteria": "exactly two cats", "model": "any"},
        {"prompt": "unused", "criteria": "nothing"},
    )
    assert read_criteria(path, ["two cats", "A red fox", "two cats"]) == ["exactly two cats", "one fox, red"] + [
        "exactly two cats"
    ]


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([{"prompt": "a", "criteria": "x"}], "nothing for 1 of 2 prompts, such as 'b'"),
        (["{", {"prompt": "b", "criteria": "y"}], "line 1: expected"),
        ([{"prompt": "a"}], "line 1: expected"),
        ([{"prompt": "a", "criteria": " "}], "line 1: expected"),
        ([["a", "b"]], "line 1: expected"),
        ([{"prompt": "a", "criteria": "x"}, {"prompt": "A", "criteria": "z"}], "line 2: 'A' has other criteria"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path, entries, message):
    with pytest.raises(InputError, match=message):
        read_criteria(written(tmp_path, *entries), ["a", "b"])


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match="nowhere.jsonl cannot be read"):
        read_criteria(tmp_path / "nowhere.jsonl", ["a"])
