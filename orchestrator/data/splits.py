"""Rows of a data set, divided into train, validation and test by a protocol."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from models.name_registry import Registry
from orchestrator.core.atomic_files import write_file
from orchestrator.core.errors import InputError
from orchestrator.core.near_matches import look_up
from orchestrator.data.dataset import Dataset

if TYPE_CHECKING:
    from numpy.typing import NDArray

TEST_SHARE = 0.2
VALIDATION_SHARE = 0.2
SLOT_TEST_SHARE = 2 / 24
MIN_SLOTS = 3  # with two images, a slot held out is half of a prompt's images
MIN_PROMPTS = 2  # a correlation over prompts needs two

_PARTS = ("train", "validation", "test")
_Rows = tuple["NDArray[np.int64]", "NDArray[np.int64]", "NDArray[np.int64]"]
_Divide = Callable[[Dataset, int], _Rows]


@dataclass(frozen=True, eq=False)
class Split:
    """Rows of a data set, divided.

    Attributes:
        protocol: Name of the protocol that divided it.
        index: Number of the division among the protocol's, from 0.
        train, validation, test: Row numbers of the data set's table, ascending.
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
        """True if choices are made on the test rows, so that test results are biased upwards."""
        return PROTOCOLS.get(self.protocol).optimistic


@dataclass(frozen=True)
class _Protocol:
    divide: _Divide
    optimistic: bool
    searchable: bool


PROTOCOLS: Registry[_Protocol] = Registry("protocol")
"""All protocols; a new one is a function here under `@register_protocol`."""


def register_protocol(name: str, optimistic: bool = False, searchable: bool = True) -> Callable[[_Divide], _Divide]:
    """Register the decorated function: (data set, index) → rows of train, validation and test.

    Args:
        name: Name of the protocol.
        optimistic: Whether choices are made on the test rows.
        searchable: Whether a search may choose configurations under it; False if test rows of one split train in
            another.

    Raises:
        ValueError: The name is registered already.
    """

    def register(divide: _Divide) -> _Divide:
        PROTOCOLS.add(name, _Protocol(divide, optimistic, searchable), divide.__module__)
        return divide

    return register


def list_protocols() -> list[str]:
    """Return the names of all protocols, sorted.

    Example:
        >>> list_protocols()
        ['disjoint', 'paper', 'random', 'slots']
    """
    return PROTOCOLS.names()


@register_protocol("disjoint")
def disjoint(dataset: Dataset, index: int) -> _Rows:
    """Divide by prompts: no prompt is in two parts, and the test prompts are the same for every index and every sweep.

    Without prompts, or with a column of groups, those are divided: see `Dataset.groups`.

    Test: prompts whose hash is in the lowest 20 % of its range, so that a prompt keeps its part if others are added or
    removed. Validation: 20 % of the other prompts, chosen by the index.

    Raises:
        InputError: A part has fewer than two prompts.
    """
    prompts = _groups(dataset)
    return _by_prompt(dataset, prompts, {prompt for prompt in prompts if _uniform(prompt) < TEST_SHARE}, index)


@register_protocol("random", searchable=False)
def random(dataset: Dataset, index: int) -> _Rows:
    """Divide by prompts at random: no prompt is in two parts, and the index chooses the test prompts too.

    This is how the literature splits. It is for fixed configurations only: test prompts of one index train in another.

    Raises:
        InputError: A part has fewer than two prompts.
    """
    prompts = _groups(dataset)
    order = sorted(set(prompts), key=lambda prompt: _sha256(f"test {index}:{prompt}"))
    return _by_prompt(dataset, prompts, set(order[: round(TEST_SHARE * len(order))]), index)


def _groups(dataset: Dataset) -> NDArray[np.object_]:
    return np.array(dataset.groups, dtype=object)


def _by_prompt(dataset: Dataset, prompts: NDArray[np.object_], test: set[str], index: int) -> _Rows:
    """Return the rows of train, validation and test; the index chooses the validation share of the other prompts."""
    distinct, noun = sorted(set(prompts)), dataset.group_noun
    rest = sorted((p for p in distinct if p not in test), key=lambda prompt: _sha256(f"{index}:{prompt}"))
    validation = set(rest[: round(VALIDATION_SHARE * len(rest))])
    train = set(rest) - validation
    for part, members in (("train", train), ("validation", validation), ("test", test)):
        if len(members) < MIN_PROMPTS:
            raise InputError(
                f"{dataset.name} has {len(distinct)} {noun}, which leaves {len(members)} for {part}; "
                f"{noun[:-1]}-disjoint splits need at least {MIN_PROMPTS} in each part: add {noun}, "
                "or choose --protocol paper."
            )
    return _rows_where(prompts, train), _rows_where(prompts, validation), _rows_where(prompts, test)


@register_protocol("paper", optimistic=True)
def paper(dataset: Dataset, index: int) -> _Rows:
    """Divide 80/20 by image, as the literature does: prompts are in both parts, and test rows choose the best epoch."""
    names = dataset.names
    order = sorted(range(len(names)), key=lambda row: _sha256(f"{index}:{names[row]}"))
    held_out = round(TEST_SHARE * len(names))
    if held_out < MIN_PROMPTS:
        raise InputError(f"{dataset.name} has {len(names)} images, too few to hold out a fifth of them.")
    test = np.sort(np.array(order[:held_out], dtype=np.int64))
    train = np.sort(np.array(order[held_out:], dtype=np.int64))
    return train, test, test


@register_protocol("slots", optimistic=True)
def slots(dataset: Dataset, index: int) -> _Rows:
    """Divide by slots, as the author's text experiment does: some slots of every prompt are test rows.

    A slot is an image's rank among its prompt's images, ordered by generator and name. AIGCIQA2023 has 24 slots, of
    which any 2 are test (github CindyH1103/hyperText). The index chooses them, the same for all prompts. Every prompt
    is in both parts, so a model may score well by memorising prompts. The best epoch is chosen on the test rows.

    Raises:
        InputError: A prompt has fewer than three images.
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
    """Raise InputError unless a protocol has that name.

    Example:
        >>> check_protocol("slot")
        Traceback (most recent call last):
        orchestrator.core.errors.InputError: Unknown protocol 'slot': did you mean slots?
    """
    look_up(PROTOCOLS, name)


def is_optimistic(name: str) -> bool:
    """Return whether a protocol makes choices on its test rows.

    Raises:
        InputError: No protocol has that name.

    Example:
        >>> is_optimistic("paper"), is_optimistic("disjoint")
        (True, False)
    """
    return look_up(PROTOCOLS, name).optimistic


def keeps_test_apart(name: str) -> bool:
    """Return whether a choice by validation under a protocol uses no test row, not even another split's.

    Raises:
        InputError: No protocol has that name.

    Example:
        >>> keeps_test_apart("disjoint"), keeps_test_apart("random")
        (True, False)
    """
    protocol = look_up(PROTOCOLS, name)
    return protocol.searchable and not protocol.optimistic


def check_searchable(name: str) -> None:
    """Raise InputError unless a search may choose configurations under a protocol."""
    if not look_up(PROTOCOLS, name).searchable:
        raise InputError(
            f"--protocol {name} is for one fixed configuration (--trials 1): its splits train on one another's test "
            "prompts, so a search would choose by them. Search with --protocol disjoint."
        )


def make_split(dataset: Dataset, protocol: str = "disjoint", index: int = 0) -> Split:
    """Divide a data set; the same data set, protocol and index always return the same split.

    Raises:
        InputError: The protocol is unknown, the index is negative, or a part has too few rows or prompts.
    """
    divide = look_up(PROTOCOLS, protocol).divide
    if index < 0:
        raise InputError(f"A split's index counts from 0; {index} was asked for.")
    rows = divide(dataset, index)
    return Split(protocol, index, *rows, hash=_hash(protocol, dataset.names, rows))


def save_split(split: Split, dataset: Dataset, path: Path) -> None:
    """Write a split as JSON, by names, so that people can read it and it applies to a reordered table."""
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
    """Read a saved split.

    Raises:
        InputError: The file is missing or was changed, or it names images that the data set does not have.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        parts = [list(content[part]) for part in _PARTS]
        protocol, index, expected = content["protocol"], content["index"], content["hash"]
    except OSError:
        raise InputError(f"The split {path} cannot be read.") from None
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{path} is not a saved split.") from None
    row_of = {name: row for row, name in enumerate(dataset.names)}
    missing = [name for part in parts for name in part if name not in row_of]
    if missing:
        raise InputError(
            f"The split {path} names {len(missing)} images that {dataset.name} does not have, such as {missing[0]}."
        )
    train, validation, test = (np.array(sorted(row_of[n] for n in part), dtype=np.int64) for part in parts)
    rows = (train, validation, test)
    if protocol not in PROTOCOLS or _hash(protocol, dataset.names, rows) != expected:
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
