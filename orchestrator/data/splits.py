"""Which rows train, which choose, which judge."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from orchestrator.core.atomic_files import write_file
from orchestrator.core.errors import InputError
from orchestrator.data.dataset import Dataset, normalize_prompt

if TYPE_CHECKING:
    from numpy.typing import NDArray

TEST_SHARE = 0.2
VALIDATION_SHARE = 0.2
SLOT_TEST_SHARE = 2 / 24
MIN_SLOTS = 3  # below it a slot set aside is half of a prompt's images
MIN_PROMPTS = 2  # below it a correlation over prompts has nothing to say

_PARTS = ("train", "validation", "test")
_Rows = tuple["NDArray[np.int64]", "NDArray[np.int64]", "NDArray[np.int64]"]
_Divide = Callable[[Dataset, int], _Rows]


@dataclass(frozen=True, eq=False)
class Split:
    """Rows of a dataset, divided.

    Attributes:
        protocol: how it was divided.
        index: which of the protocol's divisions it is, from 0.
        train, validation, test: row numbers of the dataset's table, ascending.
        hash: SHA-256 of the names in each part.
    """

    protocol: str
    index: int
    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]
    hash: str

    @property
    def optimistic(self) -> bool:
        """Whether choices were made on the rows that judge them, so that results are better than they are."""
        return _protocols[self.protocol].optimistic


@dataclass(frozen=True)
class _Protocol:
    divide: _Divide
    optimistic: bool
    searchable: bool


_protocols: dict[str, _Protocol] = {}


def register_protocol(name: str, optimistic: bool = False, searchable: bool = True) -> Callable[[_Divide], _Divide]:
    """Make a way to divide known under a name: (dataset, index) → rows of train, validation, test.

    Args:
        name: the protocol's.
        optimistic: whether choices are made on the rows that judge them.
        searchable: whether configurations may be chosen under it; not where one split's test trains in another.
    """

    def register(divide: _Divide) -> _Divide:
        _protocols[name] = _Protocol(divide, optimistic, searchable)
        return divide

    return register


def list_protocols() -> list[str]:
    """The protocols there are."""
    return sorted(_protocols)


@register_protocol("disjoint")
def disjoint(dataset: Dataset, index: int) -> _Rows:
    """No prompt is in two parts, and the test prompts are the same for every index and every sweep.

    Test: the prompts whose hash falls below 20 % of its range, so that a prompt stays where it is when others
    come and go. Validation: of the rest, 20 % that the index chooses.

    Raises:
        InputError: fewer than two prompts in a part.
    """
    prompts = _normalised(dataset)
    return _by_prompt(dataset, prompts, {prompt for prompt in prompts if _uniform(prompt) < TEST_SHARE}, index)


@register_protocol("random", searchable=False)
def random(dataset: Dataset, index: int) -> _Rows:
    """No prompt is in two parts, and the index chooses the test prompts too, as the literature's random splits do.

    For configurations that nobody searches: over several indices a test prompt of one trains in another.

    Raises:
        InputError: fewer than two prompts in a part.
    """
    prompts = _normalised(dataset)
    order = sorted(set(prompts), key=lambda prompt: _sha256(f"test {index}:{prompt}"))
    return _by_prompt(dataset, prompts, set(order[: round(TEST_SHARE * len(order))]), index)


def _normalised(dataset: Dataset) -> NDArray[np.object_]:
    return np.array([normalize_prompt(prompt) for prompt in dataset.prompts], dtype=object)


def _by_prompt(dataset: Dataset, prompts: NDArray[np.object_], test: set[str], index: int) -> _Rows:
    """The rows of the test prompts, and the others' by a validation share that the index chooses."""
    distinct = sorted(set(prompts))
    rest = sorted((p for p in distinct if p not in test), key=lambda prompt: _sha256(f"{index}:{prompt}"))
    validation = set(rest[: round(VALIDATION_SHARE * len(rest))])
    train = set(rest) - validation
    for part, members in (("train", train), ("validation", validation), ("test", test)):
        if len(members) < MIN_PROMPTS:
            raise InputError(
                f"{dataset.name} has {len(distinct)} prompts, which leaves {len(members)} for {part}; "
                f"prompt-disjoint splits need at least {MIN_PROMPTS} in each part: add prompts, "
                "or choose --protocol paper."
            )
    return _rows_where(prompts, train), _rows_where(prompts, validation), _rows_where(prompts, test)


@register_protocol("paper", optimistic=True)
def paper(dataset: Dataset, index: int) -> _Rows:
    """The literature's: 80/20 by image, prompts in both halves, the best epoch chosen on the test half."""
    names = dataset.names
    order = sorted(range(len(names)), key=lambda row: _sha256(f"{index}:{names[row]}"))
    held_out = round(TEST_SHARE * len(names))
    if held_out < MIN_PROMPTS:
        raise InputError(f"{dataset.name} has {len(names)} images, too few to set a fifth of them aside.")
    test = np.sort(np.array(order[:held_out], dtype=np.int64))
    train = np.sort(np.array(order[held_out:], dtype=np.int64))
    return train, test, test


@register_protocol("slots", optimistic=True)
def slots(dataset: Dataset, index: int) -> _Rows:
    """The author's text experiment: some slots of every prompt test, and the best epoch is chosen on them.

    A slot is an image's place among its prompt's, ordered by generator and name; AIGCIQA2023 has 24, of which
    any 2 test (github CindyH1103/hyperText). The index chooses which, for all prompts alike, so every prompt is
    in both halves: a model may score well by remembering prompts.

    Raises:
        InputError: a prompt with fewer than three images.
    """
    members: dict[int, list[int]] = {}
    for row, prompt in enumerate(dataset.prompt_ids.tolist()):
        members.setdefault(prompt, []).append(row)
    few = [rows for rows in members.values() if len(rows) < MIN_SLOTS]
    if few:
        raise InputError(
            f"{dataset.name}: {len(few)} of {len(members)} prompts have fewer than {MIN_SLOTS} images, such as "
            f"'{_shorten(dataset.prompts[few[0][0]])}'; --protocol slots needs {MIN_SLOTS} or more of each prompt: "
            "choose --protocol disjoint or paper."
        )
    names, generators = dataset.names, dataset.generators
    test: list[int] = []
    for rows in members.values():
        ordered = sorted(rows, key=lambda row: (generators[row], len(names[row]), names[row]))  # 2.png before 10.png
        order = sorted(range(len(ordered)), key=lambda slot: _sha256(f"{index}:{slot}"))
        test += [ordered[slot] for slot in order[: max(1, round(SLOT_TEST_SHARE * len(ordered)))]]
    held_out = np.sort(np.array(test, dtype=np.int64))
    return np.setdiff1d(np.arange(len(names), dtype=np.int64), held_out), held_out, held_out


def check_protocol(name: str) -> None:
    """Raises InputError for a protocol that there is not."""
    if name not in _protocols:
        raise InputError(f"No protocol is named '{name}'. There are {', '.join(list_protocols())}.")


def is_optimistic(name: str) -> bool:
    """Whether a protocol chooses on the rows that judge; raises InputError for one that there is not."""
    check_protocol(name)
    return _protocols[name].optimistic


def keeps_test_apart(name: str) -> bool:
    """Whether a choice by validation under a protocol sees no test row, not even another split's.

    Raises:
        InputError: there is no such protocol.
    """
    return not is_optimistic(name) and _protocols[name].searchable


def check_searchable(name: str) -> None:
    """Raises InputError for a protocol under which no configuration may be chosen."""
    check_protocol(name)
    if not _protocols[name].searchable:
        raise InputError(
            f"--protocol {name} is for one fixed configuration (--trials 1): its splits train on one another's test "
            "prompts, so a search would choose by them. Search with --protocol disjoint."
        )


def make_split(dataset: Dataset, protocol: str = "disjoint", index: int = 0) -> Split:
    """Divide a dataset; the same dataset, protocol and index always give the same split.

    Raises:
        InputError: unknown protocol, negative index, or too few rows or prompts for a part.
    """
    check_protocol(protocol)
    if index < 0:
        raise InputError(f"A split's index counts from 0; {index} was asked for.")
    rows = _protocols[protocol].divide(dataset, index)
    return Split(protocol, index, *rows, hash=_hash(protocol, dataset.names, rows))


def save_split(split: Split, dataset: Dataset, path: Path) -> None:
    """Write a split as JSON, by names, so that it can be read by people and applied to a reordered table."""
    names = dataset.names
    content = {
        "protocol": split.protocol,
        "index": split.index,
        "optimistic": split.optimistic,
        "hash": split.hash,
        "dataset": dataset.name,
        "data_hash": dataset.data_hash,
        **{part: [names[row] for row in getattr(split, part)] for part in _PARTS},
    }
    write_file(path, json.dumps(content, indent=1) + "\n", concurrent=True)


def load_split(path: Path, dataset: Dataset) -> Split:
    """Read a saved split back.

    Raises:
        InputError: no such file, a file that was changed, or names that the dataset does not have (any more).
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        parts = [list(content[part]) for part in _PARTS]
        protocol, index, expected = content["protocol"], content["index"], content["hash"]
    except OSError:
        raise InputError(f"The split {path} cannot be read.") from None
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{path} is no saved split.") from None
    row_of = {name: row for row, name in enumerate(dataset.names)}
    absent = [name for part in parts for name in part if name not in row_of]
    if absent:
        raise InputError(
            f"The split {path} names {len(absent)} images that {dataset.name} does not have, such as {absent[0]}."
        )
    train, validation, test = (np.array(sorted(row_of[n] for n in part), dtype=np.int64) for part in parts)
    rows = (train, validation, test)
    if protocol not in _protocols or _hash(protocol, dataset.names, rows) != expected:
        raise InputError(f"The split {path} was changed after it was saved: its hash does not agree.")
    return Split(protocol, index, *rows, hash=expected)


def _rows_where(prompts: NDArray[np.object_], members: set[str]) -> NDArray[np.int64]:
    return np.array([row for row, prompt in enumerate(prompts) if prompt in members], dtype=np.int64)


def _shorten(text: str, length: int = 40) -> str:
    return text if len(text) <= length else f"{text[:length]}…"


def _sha256(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _uniform(text: str) -> float:
    return int.from_bytes(_sha256(text)[:8], "big") / 2**64


def _hash(protocol: str, names: list[str], rows: _Rows) -> str:
    content = [protocol, *(sorted(names[row] for row in part) for part in rows)]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
