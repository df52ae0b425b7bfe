"""Single entries of a search space that the command line overrides, and wrong overrides that are refused."""

import pytest
import yaml

from orchestrator.core.errors import InputError
from orchestrator.search.space import SearchSpace, load_space
from orchestrator.search.space_overrides import override_space
from orchestrator.search.space_text import space_text

SPACE = load_space("text_hyper")


def entry(*overrides: str, name: str) -> dict:
    space, _ = override_space(SPACE, overrides)
    return dict(space.items())[name]


@pytest.mark.parametrize(
    "override, name, expected",
    [
        ("lr=loguniform(1e-4,1e-2)", "lr", {"type": "float", "low": 1e-4, "high": 1e-2, "log": True, "default": 1e-3}),
        ("lr=tag(log, interval(1e-4, 5e-4))", "lr", {"low": 1e-4, "high": 5e-4, "log": True, "default": 5e-4}),
        ("training.lr = uniform(1e-4, 1e-2)", "lr", {"log": False, "default": 1e-3}),
        ("rank=loguniform(1, 4)", "rank", {"type": "int", "high": 4, "log": True}),
        ("rank=range(1, 7, 2)", "rank", {"type": "int", "step": 2, "default": 1}),
        ("dropout=range(0, 0.5, 0.25)", "dropout", {"type": "float", "step": 0.25, "default": 0.5}),
        ("loss=[huber, mse]", "loss", {"type": "categorical", "choices": ["huber", "mse"], "default": "huber"}),
        ("loss=choice(mse, mse+1*rank)", "loss", {"choices": ["mse", "mse+1*rank"], "default": "mse+1*rank"}),
        ("lr=choice(1e-3, 1e-2, default=1e-2)", "lr", {"type": "categorical", "default": 1e-2}),
        ("depth=2", "widths", {"min_depth": 2, "max_depth": 2, "default": [128, 64]}),
        ("depth=int(3, 4)", "widths", {"min_depth": 3, "max_depth": 4, "default": [128, 64, 64]}),
        ("width=32", "widths", {"low": 32, "high": 32, "default": [32, 32]}),
        ("lr.high=0.002", "lr", {"low": 2e-4, "high": 0.002, "default": 1e-3}),
        ("lr={type: float, low: 0.1, high: 1, default: 0.5}", "lr", {"low": 0.1, "default": 0.5}),
        ("training.warmup=float(0, 0.5)", "warmup", {"type": "float", "default": 0.25}),
    ],
)
def test_searched_entry(override, name, expected):
    content = entry(override, name=name).model_dump()
    assert {key: content[key] for key in expected} == expected


@pytest.mark.parametrize(
    "override, name, value",
    [
        ("lr=1e-3", "lr", 1e-3),
        ("activation=relu", "activation", "relu"),
        ("prompt_grouped=false", "prompt_grouped", False),
        ("widths=[64, 32]", "widths", [64, 32]),
        ("condition_hidden=[16]", "condition_hidden", [16]),
    ],
)
def test_fixed_entry(override, name, value):
    assert entry(override, name=name) == value


def test_keys_of_one_entry_may_come_in_any_order():
    for overrides in (["lr.low=0.01", "lr.high=0.1"], ["lr.high=0.1", "lr.low=0.01"]):
        assert entry(*overrides, name="lr").model_dump()["default"] == 0.01
    both = entry("depth=int(1, 2)", "width=tag(log, int(8, 32))", "lr=1", name="widths")
    assert (both.max_depth, both.low, both.high, both.default) == (2, 8, 32, [32, 32])


def test_condition_of_an_entry_stays_and_the_control_follows():
    content = {
        "hypernet": {
            "generation": {"type": "categorical", "choices": ["residual", "direct"], "default": "residual"},
            "rank": {"type": "int", "low": 1, "high": 8, "default": 2, "when": {"generation": ["residual"]}},
        },
        "training": {"lr": {"type": "float", "low": 1e-4, "high": 1e-1, "default": 1e-3}},
    }
    space, names = override_space(SearchSpace(**content), ["rank=int(1, 3)", "lr=float(0.01, 0.02)"])
    assert space.hypernet["rank"].when == {"generation": ["residual"]} and names == ("hypernet.rank", "training.lr")
    assert space.without_hypernet().training["lr"].low == 0.01
    with pytest.raises(InputError, match="generation is never 'residual'"):
        override_space(SearchSpace(**content), ["generation=[direct, half]"])


@pytest.mark.parametrize(
    "overrides, reason",
    [
        (["lr"], "--set lr: write NAME=VALUE"),
        (["lrr=1"], "Unknown entry of the space 'lrr': did you mean lr"),
        (["lr.hihg=1"], "did you mean high"),
        (["lr=lognormal(1, 2)"], "lognormal is not a distribution"),
        (["lr=loguniform(1)"], r"loguniform takes two numbers, as loguniform\(1e-4, 1e-2\)"),
        (["lr=loguniform(0, 1)"], "training.lr: a log scale needs low > 0"),
        (["lr=uniform(2, 1)"], "training.lr: needs low <= default <= high"),
        (["lr=1", "training.lr=2"], "training.lr is set twice"),
        (["widths=3"], "the widths of the layers are a list"),
        (["depth=0"], "must be at least 1"),
        (["depth=choice(1, 2)"], "depth must be a whole number or a range"),
        (["tag=tag(log, choice(1))"], "tag takes log and a range"),
        (["loss=[]"], "at least one value"),
        (["lr=:"], "--set lr=:: line 1"),
    ],
)
def test_wrong_override_is_refused(overrides, reason):
    with pytest.raises(InputError, match=reason) as caught:
        override_space(SPACE, overrides)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("variant", ["text_hyper", "image_hyper", "plain_head"])
def test_text_of_a_space_reads_as_the_space(variant):
    space, names = override_space(load_space(variant), ["lr=loguniform(1e-4, 1e-2)", "loss=[huber, mse]"])
    text = space_text(space, names)
    assert SearchSpace.model_validate(yaml.safe_load(text)) == space
    assert text.count("# --set") == 2
