"""Configurations of a space that has few, counted and compared."""

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.search.enumeration import all_configurations, configuration_key
from orchestrator.search.space import SearchSpace


def categorical(*choices, **more):
    return {"type": "categorical", "choices": list(choices), "default": choices[0], **more}


COUNTS = {
    "two choices": ({"a": categorical(16, 32)}, 2),
    "one choice": ({"a": categorical("x")}, 1),
    "repeated choices": ({"a": categorical(1, 1, 2)}, 2),
    "truth values are no numbers": ({"a": categorical(1, True, 0, False)}, 4),
    "a grid": ({"a": {"type": "float", "low": 0.1, "high": 0.7, "step": 0.1, "default": 0.1}}, 7),
    "one number": ({"a": {"type": "float", "low": 0.5, "high": 0.5, "default": 0.5}}, 1),
    "whole numbers": ({"a": {"type": "int", "low": 2, "high": 8, "step": 3, "default": 2}}, 3),
    "a condition": ({"a": categorical(0, 1), "b": categorical(1, 2, 3, when={"a": [1]})}, 4),
    "widths": (
        {"w": {"type": "widths", "min_depth": 1, "max_depth": 2, "low": 4, "high": 6, "default": [4]}},
        3 + 9,
    ),
    "a real number": ({"a": {"type": "float", "low": 0.1, "high": 0.7, "default": 0.1}}, None),
    "a real number under a condition": (
        {"a": categorical(0, 1), "b": {"type": "float", "low": 0, "high": 1, "default": 0, "when": {"a": [1]}}},
        None,
    ),
    "29.8 million": ({name: categorical(*range(10)) for name in "abcdefg"}, None),
    "a long range": ({"a": {"type": "int", "low": 0, "high": 10**12, "default": 0}}, None),
    "deep": ({"w": {"type": "widths", "min_depth": 1, "max_depth": 60, "low": 1, "high": 2, "default": [1]}}, None),
}


@pytest.mark.parametrize("training, count", COUNTS.values(), ids=COUNTS)
def test_configurations_are_counted(training, count):
    found = all_configurations(SearchSpace.model_validate({"training": training}))
    assert (found if found is None else len(found)) == count


@settings(max_examples=30, deadline=None)
@given(
    step=st.sampled_from([0.1, 0.05, 0.3, 1e-3]),
    steps=st.integers(0, 30),
    low=st.sampled_from([0.0, 0.1, -0.7, 1e-5]),
    seed=st.integers(0, 99),
)
def test_every_sampled_point_of_a_grid_is_among_the_enumerated(step, steps, low, seed):
    grid = {"type": "float", "low": low, "high": low + steps * step, "step": step, "default": low}
    space = SearchSpace.model_validate({"training": {"a": grid, "b": categorical("x", "y")}})
    known = {configuration_key(params) for params in all_configurations(space)}
    assert len(known) in {2 * steps, 2 * (steps + 1)}, "Optuna leaves out the last one if rounding put it too low"
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    for _ in range(5):
        trial = study.ask()
        space.suggest(trial)
        assert configuration_key(trial.params) in known
