import json
from collections import Counter
from pathlib import Path
from random import Random

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from orchestrator.core.errors import InputError
from orchestrator.data import Dataset, check_searchable, list_protocols, load_split, make_split, save_split

PROMPTS = [f"prompt {number}" for number in range(60)]
some_prompts = st.lists(st.text(st.characters(codec="utf-8"), max_size=8), min_size=40, max_size=90)

few = settings(max_examples=30, deadline=None)  # each one hashes a hundred prompts


def _dataset(prompts: list[str]) -> Dataset:
    """Return a data set with one row per prompt, named by its position."""
    names = [f"{row:04d}.png" for row in range(len(prompts))]
    table = pd.DataFrame(
        {"name": names, "prompt": prompts, "generator": "pencil", "quality": np.arange(len(prompts), dtype=float)}
    )
    return Dataset("made", table, ("quality",), (), "hash")


def _parts(dataset: Dataset, index: int = 0) -> tuple[set[str], set[str], set[str]]:
    try:
        split = make_split(dataset, "disjoint", index)
    except InputError:
        assume(False)
    prompts = np.array([" ".join(prompt.casefold().split()) for prompt in dataset.prompts], dtype=object)
    rows = np.concatenate([split.train, split.validation, split.test])
    assert sorted(rows) == list(range(len(dataset)))
    return set(prompts[split.train]), set(prompts[split.validation]), set(prompts[split.test])


@few
@given(some_prompts, st.integers(0, 50))
def test_no_prompt_is_in_two_parts_and_no_row_is_lost(prompts: list[str], index: int) -> None:
    train, validation, test = _parts(_dataset(prompts), index)
    assert not train & validation
    assert not train & test
    assert not validation & test


@few
@given(some_prompts, some_prompts)
def test_a_prompt_stays_in_the_test_set_when_others_come(prompts: list[str], more: list[str]) -> None:
    few = _parts(_dataset(prompts))[2]
    many = _parts(_dataset(prompts + more))[2]
    normalized = {" ".join(prompt.casefold().split()) for prompt in prompts}
    assert many & normalized == few


@few
@given(some_prompts, st.integers(1, 50))
def test_the_index_chooses_validation_and_never_test(prompts: list[str], index: int) -> None:
    dataset = _dataset(prompts)
    assert _parts(dataset, 0)[2] == _parts(dataset, index)[2]


def test_indices_validate_on_different_prompts() -> None:
    chosen = {frozenset(_parts(_dataset(PROMPTS), index)[1]) for index in range(60)}
    assert len(chosen) == 60
    assert set().union(*chosen) == set(PROMPTS) - _parts(_dataset(PROMPTS))[2]


def test_shares_are_a_fifth_each() -> None:
    split = make_split(_dataset([f"prompt {number}" for number in range(3000)]))
    assert split.test.size / 3000 == pytest.approx(0.2, abs=0.02)
    assert split.validation.size / (3000 - split.test.size) == pytest.approx(0.2, abs=0.001)


def test_spelling_does_not_tear_a_prompt_apart() -> None:
    spelled = [prompt.title() for prompt in PROMPTS] + [f"  {p.replace(' ', '   ')}" for p in PROMPTS]
    train, validation, test = _parts(_dataset(PROMPTS + spelled))
    assert len(train) + len(validation) + len(test) == len(PROMPTS)


def test_too_few_prompts_are_refused_with_what_to_do() -> None:
    with pytest.raises(InputError, match="has 3 prompts, .* choose --protocol paper"):
        make_split(_dataset(["a", "b", "c"]))


@few
@given(st.integers(8, 200), st.integers(0, 20))
def test_the_papers_protocol_divides_images_and_admits_it(rows: int, index: int) -> None:
    dataset = _dataset(["the same"] * rows)
    split = make_split(dataset, "paper", index)
    assert split.optimistic
    assert np.array_equal(split.validation, split.test)
    assert sorted([*split.train, *split.test]) == list(range(rows))
    assert split.test.size == round(0.2 * rows)


def test_the_papers_protocol_varies_with_its_index() -> None:
    splits = [make_split(_dataset(PROMPTS), "paper", index) for index in range(5)]
    assert len({split.hash for split in splits}) == 5
    assert not make_split(_dataset(PROMPTS), "disjoint").optimistic


@few
@given(st.lists(st.integers(3, 40), min_size=1, max_size=20), st.integers(0, 20), st.randoms())
def test_slots_leave_every_prompt_in_both_halves_by_the_right_share(
    images: list[int], index: int, random: Random
) -> None:
    prompts = [f"prompt {prompt}" for prompt, count in enumerate(images) for _ in range(count)]
    random.shuffle(prompts)
    split = make_split(_dataset(prompts), "slots", index)
    assert split.optimistic and np.array_equal(split.validation, split.test)
    assert sorted([*split.train, *split.test]) == list(range(len(prompts)))
    tested = Counter(prompts[row] for row in split.test)
    trained = Counter(prompts[row] for row in split.train)
    for prompt, count in enumerate(images):
        held_out = tested[f"prompt {prompt}"]
        assert held_out >= 1 and trained[f"prompt {prompt}"] >= 2
        assert held_out == 1 or abs(held_out - count / 12) <= 0.5


def test_slots_are_places_among_a_prompts_images_by_generator_and_name() -> None:
    """100 prompts × 6 generators × 4, as AIGCIQA2023 numbers them: the same 2 of 24 places test everywhere."""
    generators = ["e", "b", "f", "a", "d", "c"]
    table = pd.DataFrame({"name": [f"{image}.png" for image in range(2400)]})
    table["prompt"] = [f"prompt {image // 4 % 100}" for image in range(2400)]
    table["generator"] = [generators[image // 400] for image in range(2400)]
    dataset = Dataset("made", table.sort_values("name").reset_index(drop=True), (), (), "hash")
    chosen = set()
    for index in range(40):
        split = make_split(dataset, "slots", index)
        assert (len(split.train), len(split.test)) == (2200, 200)
        images = [int(dataset.names[row].removesuffix(".png")) for row in split.test]
        places = {(image // 400, image % 4) for image in images}
        assert len(places) == 2
        chosen |= places
    assert len(chosen) == 24


def test_prompts_of_few_images_have_no_slots() -> None:
    with pytest.raises(InputError, match="1 of 2 prompts have fewer than 3 images, such as 'b'; .* disjoint or paper"):
        make_split(_dataset(["a", "a", "a", "b", "b"]), "slots")


@pytest.mark.parametrize("protocol", list_protocols())
def test_a_split_is_the_same_every_time_and_after_saving(protocol: str, tmp_path: Path) -> None:
    dataset = _dataset(PROMPTS * 4)
    split = make_split(dataset, protocol, 3)
    assert make_split(dataset, protocol, 3).hash == split.hash
    save_split(split, dataset, tmp_path / "split.json")
    loaded = load_split(tmp_path / "split.json", dataset)
    assert (loaded.protocol, loaded.index, loaded.hash) == (protocol, 3, split.hash)
    for part in ("train", "validation", "test"):
        assert np.array_equal(getattr(loaded, part), getattr(split, part))


def test_a_saved_split_follows_names_into_another_order(tmp_path: Path) -> None:
    dataset = _dataset(PROMPTS)
    split = make_split(dataset)
    save_split(split, dataset, tmp_path / "split.json")
    turned = Dataset("made", dataset.table[::-1].reset_index(drop=True), ("quality",), (), "hash")
    loaded = load_split(tmp_path / "split.json", turned)
    assert {turned.names[row] for row in loaded.test} == {dataset.names[row] for row in split.test}


def test_a_split_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    dataset, path = _dataset(PROMPTS), tmp_path / "split.json"
    with pytest.raises(InputError, match="cannot be read"):
        load_split(path, dataset)
    save_split(make_split(dataset), dataset, path)
    with pytest.raises(InputError, match="images that made does not have"):
        load_split(path, _dataset(PROMPTS[:50]))
    content = json.loads(path.read_text(encoding="utf-8"))
    content["train"].append(content["test"].pop())
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(InputError, match="changed after it was saved"):
        load_split(path, dataset)
    path.write_text("[]", encoding="utf-8")
    with pytest.raises(InputError, match="not a saved split"):
        load_split(path, dataset)


def test_protocols_and_indices_that_do_not_exist_are_refused() -> None:
    with pytest.raises(InputError, match="Unknown protocol 'chance': there are disjoint, paper"):
        make_split(_dataset(PROMPTS), "chance")
    with pytest.raises(InputError, match="counts from 0"):
        make_split(_dataset(PROMPTS), "paper", -1)


@few
@given(some_prompts, st.integers(0, 50))
def test_random_splits_are_prompt_disjoint_too(prompts: list[str], index: int) -> None:
    dataset = _dataset(prompts)
    try:
        split = make_split(dataset, "random", index)
    except InputError:
        assume(False)
    ids = dataset.prompt_ids
    train, validation, test = (set(ids[rows]) for rows in (split.train, split.validation, split.test))
    assert not (train & validation or train & test or validation & test)
    assert len(test) == round(0.2 * len(set(ids)))


def test_random_splits_test_other_prompts_each_and_are_not_for_searching() -> None:
    dataset = _dataset(PROMPTS)
    tests = [set(make_split(dataset, "random", index).test) for index in range(20)]
    assert len(set().union(*tests)) > 0.9 * len(PROMPTS)
    check_searchable("disjoint")
    with pytest.raises(InputError, match="one fixed configuration"):
        check_searchable("random")
