"""Search-space files: what may stand in them, what they stand for, and how they are refused."""

import math
import re
from pathlib import Path

import optuna
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from orchestrator.core.errors import InputError
from orchestrator.search.parameters import Parameter, WidthsParameter
from orchestrator.search.space import SearchSpace, load_space

WIDTHS = {"type": "widths", "min_depth": 1, "max_depth": 3, "low": 8, "high": 64, "default": [32, 16]}
CONTENT = {
    "model": {
        "widths": WIDTHS,
        "dropout": {"type": "float", "low": 0.0, "high": 0.5, "step": 0.1, "default": 0.2},
        "activation": "gelu",
    },
    "hypernet": {
        "generation": {"type": "categorical", "choices": ["residual", "direct"], "default": "residual"},
        "rank": {"type": "int", "low": 1, "high": 8, "log": True, "default": 2, "when": {"generation": ["residual"]}},
    },
    "training": {
        "lr": {"type": "float", "low": 1e-4, "high": 1e-1, "log": True, "default": 1e-3},
        "hypernet_lr_ratio": {"type": "float", "low": 0.1, "high": 10.0, "log": True, "default": 1.0},
        "batch_size": {"type": "categorical", "choices": [16, 32], "default": 32},
        "warm": {"type": "int", "low": 0, "high": 10, "step": 5, "default": 5},
        "prompt_grouped": True,
    },
}
SPACE = SearchSpace.model_validate(CONTENT)


def suggested(space: SearchSpace, seed: int) -> optuna.trial.Trial:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    trial = study.ask()
    trial.set_user_attr("configuration", space.suggest(trial))
    return trial


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_a_suggested_configuration_is_in_range_and_follows_from_its_parameters(seed):
    trial = suggested(SPACE, seed)
    configuration = SPACE.configuration(trial.params)
    assert configuration == trial.user_attrs["configuration"]
    model, training = configuration.model, configuration.training
    assert 1 <= len(model["widths"]) <= 3 and all(8 <= width <= 64 for width in model["widths"])
    assert 0 <= model["dropout"] <= 0.5
    assert math.isclose(model["dropout"] * 10, round(model["dropout"] * 10), abs_tol=1e-9)
    assert model["generation"] in {"residual", "direct"}
    assert ("rank" in model) == (model["generation"] == "residual") and 1 <= model.get("rank", 1) <= 8
    assert 1e-4 <= training["lr"] <= 1e-1 and training["batch_size"] in {16, 32} and training["warm"] in {0, 5, 10}
    assert model["activation"] == "gelu" and training["prompt_grouped"] is True
    assert set(trial.params) <= SPACE.parameter_names()


@st.composite
def spaces(draw):
    """Draw a space with one to five parameters of any kind, some of which exist only with a category."""
    low = draw(st.integers(1, 50))
    high = low + draw(st.integers(0, 50))
    log = draw(st.booleans())
    choices = draw(st.lists(st.sampled_from(["a", "b", 1, 2.5, True]), min_size=1, max_size=4, unique_by=str))
    training = {"kind": {"type": "categorical", "choices": choices, "default": draw(st.sampled_from(choices))}}
    when = {"when": {"kind": draw(st.lists(st.sampled_from(choices), max_size=2))}} if draw(st.booleans()) else {}
    number = {"low": low, "high": high, "log": log, "default": draw(st.integers(low, high)), **when}
    training["whole"] = {"type": "int", **number}
    training["real"] = {"type": "float", **number}
    depth = draw(st.integers(1, 3))
    widths = draw(st.lists(st.integers(low, high), min_size=depth, max_size=depth))
    most = depth + draw(st.integers(0, 2))
    parameter = {"type": "widths", "min_depth": 1, "max_depth": most, "low": low, "high": high, "default": widths}
    return {"training": training, "model": {"widths": parameter} if draw(st.booleans()) else {}}


@settings(max_examples=60, deadline=None)
@given(content=spaces(), seed=st.integers(0, 2**31))
def test_any_space_suggests_defaults_and_survives_yaml(content, seed):
    space = SearchSpace.model_validate(content)
    trial = suggested(space, seed)
    assert space.configuration(trial.params) == trial.user_attrs["configuration"]
    written = yaml.safe_load(yaml.safe_dump(space.model_dump(mode="json")))
    assert SearchSpace.model_validate(written) == space
    default = space.configuration(space.default_params())
    for name, value in space.items():
        chosen = {**default.model, **default.training}
        if isinstance(value, Parameter) and name in chosen:
            assert chosen[name] == value.default


def test_the_default_configuration_has_the_defaults_of_the_file():
    assert SPACE.default_params() == {
        "depth": 2,
        "width_1": 32,
        "width_2": 16,
        "dropout": 0.2,
        "generation": "residual",
        "rank": 2,
        "lr": 1e-3,
        "hypernet_lr_ratio": 1.0,
        "batch_size": 32,
        "warm": 5,
    }
    configuration = SPACE.configuration(SPACE.default_params())
    assert configuration.model["widths"] == [32, 16] and configuration.model["rank"] == 2


def test_a_parameter_exists_only_if_its_when_holds():
    direct = {**SPACE.default_params(), "generation": "direct"}
    assert "rank" not in SPACE.configuration(direct).model
    del direct["rank"]
    assert "rank" not in SPACE.configuration(direct).model


def test_when_may_name_a_value_that_is_fixed():
    content = {"model": {"generation": "direct"}, "training": CONTENT["training"]}
    rank = {"type": "int", "low": 1, "high": 2, "default": 1, "when": {"generation": ["residual"]}}
    space = SearchSpace.model_validate({**content, "hypernet": {"rank": rank}})
    assert "rank" not in space.configuration(space.default_params()).model


def test_when_of_a_missing_parameter_does_not_hold():
    chain = {
        "a": {"type": "categorical", "choices": [0, 1], "default": 0},
        "b": {"type": "categorical", "choices": [0, 1], "default": 1, "when": {"a": [1]}},
        "c": {"type": "int", "low": 1, "high": 2, "default": 1, "when": {"b": [1]}},
    }
    space = SearchSpace.model_validate({"training": chain})
    assert space.configuration({"a": 0}).training == {"a": 0}
    assert space.configuration({"a": 1, "b": 1, "c": 2}).training == {"a": 1, "b": 1, "c": 2}


@pytest.mark.parametrize("weights", [[2, 1], [1.0, 0.5], {"quality": 2.0, "alignment": 0.5}])
def test_lists_and_named_numbers_are_held_fixed(weights):
    content = {**CONTENT, "training": {**CONTENT["training"], "target_weights": weights}}
    space = SearchSpace.model_validate(content)
    assert space.parameter_names() == SPACE.parameter_names()
    corners = [*space.corners(True), space.configuration(space.default_params())]
    assert all(corner.training["target_weights"] == weights for corner in corners)
    assert SearchSpace.model_validate(yaml.safe_load(yaml.safe_dump(space.model_dump(mode="json")))) == space


@pytest.mark.parametrize(
    "section, value, wrong",
    [
        ("training", {"low": 0.1, "high": 2.0}, "extra: a searched value needs a type"),
        ("training", {"min_depth": 1, "max_depth": 2}, "extra: a searched value needs a type"),
        ("training", {"quality": "much"}, "extra.quality: must be a number, not 'much'"),
        ("model", {"quality": 2.0}, "extra: a searched value needs a type"),
    ],
)
def test_a_mapping_that_is_neither_a_parameter_nor_named_numbers_is_refused(tmp_path, section, value, wrong):
    (tmp_path / "mine.yaml").write_text(
        yaml.safe_dump({**CONTENT, section: {**CONTENT[section], "extra": value}}), encoding="utf-8"
    )
    with pytest.raises(InputError, match=re.escape(f"mine.yaml: {section}.{wrong}")):
        load_space(tmp_path / "mine.yaml")


def test_corners_are_the_bounds_of_every_number_and_all_choices():
    small, large = (list(SPACE.corners(largest)) for largest in (False, True))
    assert len(small) == len(large) == 4
    assert {tuple(c.model["widths"]) for c in small} == {(8,)}
    assert {tuple(c.model["widths"]) for c in large} == {(64, 64, 64)}
    assert {c.model.get("rank") for c in large} == {8, None} and {c.model.get("rank") for c in small} == {1, None}
    assert {(c.model["generation"], c.training["batch_size"]) for c in small} == {
        (generation, size) for generation in ("residual", "direct") for size in (16, 32)
    }


def test_the_controls_space_lacks_the_keys_of_the_hypernet():
    control = SPACE.without_hypernet()
    assert SPACE.parameter_names() - control.parameter_names() == {"generation", "rank", "hypernet_lr_ratio"}
    assert control.configuration(control.default_params()).model == {
        "widths": [32, 16],
        "dropout": 0.2,
        "activation": "gelu",
    }


@pytest.mark.parametrize("lacks", ["lr", "depth", "width_2", "rank"])
def test_parameters_are_refused_if_one_is_missing(lacks):
    params = {key: value for key, value in SPACE.default_params().items() if key != lacks}
    with pytest.raises(InputError, match=lacks):
        SPACE.configuration(params)


@pytest.mark.parametrize(
    "wrong, named",
    [
        ({"lr": 5.0}, "lr is 5.0"),
        ({"width_1": 4}, "width_1 is 4"),
        ({"depth": 4, "width_3": 8, "width_4": 8}, "depth is 4"),
        ({"batch_size": 17}, "batch_size: '17' not in"),
        ({"rank": 0}, "rank: `0`"),
        ({"warm": 4}, "warm is 4"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_parameters_out_of_range_are_refused(wrong, named):
    with pytest.raises(InputError, match=named):
        SPACE.configuration({**SPACE.default_params(), **wrong})


def number(**changes):
    return {"type": "float", "low": 0.0, "high": 1.0, "default": 0.5, **changes}


FINE = {"lr": number()}
WRONG = {
    "empty file": ({}, "", "nothing to search"),
    "unknown section": (
        {"trainning": FINE},
        "trainning",
        "is not a section; sections are model, hypernet, training, backbone",
    ),
    "unknown type": ({"training": {"lr": {"type": "real"}}}, "training.lr", "float"),
    "no type": ({"training": {"lr": {"low": 0, "high": 1}}}, "training.lr", "type"),
    "unknown key": ({"training": {"lr": number(hihg=2)}}, "training.lr.hihg", "is not a key here"),
    "no default": ({"training": {"lr": {"type": "float", "low": 0, "high": 1}}}, "training.lr.default", "is missing"),
    "not a number": ({"training": {"lr": number(low="tiny")}}, "training.lr.low", "number"),
    "infinite": ({"training": {"lr": number(high=math.inf)}}, "training.lr.high", "finite"),
    "not whole": (
        {"training": {"n": {"type": "int", "low": 0, "high": 1.5, "default": 1}}},
        "training.n.high",
        "whole number, not 1.5",
    ),
    "default out of range": ({"training": {"lr": number(default=2.0)}}, "training.lr", "low <= default <= high"),
    "low above high": ({"training": {"lr": number(low=2.0)}}, "training.lr", "low <= default <= high"),
    "log from zero": ({"training": {"lr": number(log=True)}}, "training.lr", "low > 0"),
    "log and step": ({"training": {"lr": number(low=0.1, log=True, step=0.1)}}, "training.lr", "step"),
    "step of zero": ({"training": {"lr": number(step=0.0)}}, "training.lr.step", "must be above 0"),
    "default between steps": (
        {"training": {"lr": number(step=0.2, high=0.8)}},
        "training.lr",
        "whole steps of 0.2 above low",
    ),
    "no choices": (
        {"training": {"loss": {"type": "categorical", "choices": [], "default": "a"}}},
        "training.loss.choices",
        "at least 1",
    ),
    "default is no choice": (
        {"training": {"loss": {"type": "categorical", "choices": ["a"], "default": "b"}}},
        "training.loss",
        "not among the choices",
    ),
    "widths too deep": ({"model": {"widths": {**WIDTHS, "default": [8] * 4}}}, "model.widths", "1 to 3 layers"),
    "widths out of range": ({"model": {"widths": {**WIDTHS, "default": [7]}}}, "model.widths", "within 8 to 64"),
    "two widths": ({"model": {"widths": WIDTHS, "more": WIDTHS}}, "", "only one parameter of type widths"),
    "name twice": ({"model": {"lr": 0.1}, "training": FINE}, "", "lr appears twice"),
    "when of nothing": ({"training": {"lr": number(when={"mode": [1]})}}, "", "mode, not a parameter above it"),
    "when of what is below": (
        {"training": {"lr": number(when={"mode": [1]}), "mode": 1}},
        "",
        "mode, not a parameter above it",
    ),
    "a list": ([1, 2], "", "must be a mapping"),
    "a section that is a list": ({"training": [1]}, "training", "must be a mapping"),
    "a name that the widths take": (
        {"model": {"widths": WIDTHS}, "training": {"depth": {"type": "int", "low": 1, "high": 9, "default": 1}}},
        "",
        "depth appears twice",
    ),
}


@pytest.mark.parametrize("content, key, reason", WRONG.values(), ids=WRONG)
def test_a_wrong_file_is_refused_with_file_key_and_reason_in_one_line(tmp_path, content, key, reason):
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_space(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: {key}") and reason in message and "\n" not in message
    assert not key or message.startswith(f"{path}: {key}: ")


@pytest.mark.parametrize("text", ["a: [1", "\tx", "a: b: c", b"\xff\xfe\x00"], ids=repr)
def test_a_file_without_valid_yaml_is_refused(tmp_path, text):
    path = tmp_path / "mine.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match="mine.yaml is not readable as YAML") as caught:
        load_space(path)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"no search-space file .*absent\.yaml"):
        load_space(tmp_path / "absent.yaml")
    with pytest.raises(InputError, match="not readable"):
        load_space(tmp_path)


def test_equal_spaces_are_equal_and_frozen():
    with pytest.raises(ValidationError):
        SPACE.model = {}
    assert isinstance(SPACE.model["widths"], WidthsParameter)


def test_a_shipped_space_is_found_from_anywhere():
    assert load_space("text_hyper").parameter_names() >= {"lr", "depth", "width_1"}
    assert load_space(Path(__file__).parents[2] / "search_spaces" / "text_hyper.yaml") == load_space("text_hyper")
