"""Spaces of any content: refused in one sentence, or read and sampled."""

import math
import warnings

import optuna
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.core.errors import InputError
from orchestrator.search.enumeration import all_configurations
from orchestrator.search.samplers import build_sampler
from orchestrator.search.space import load_space

NUMBERS = st.sampled_from(
    [
        0,
        1,
        -1,
        2,
        3,
        0.1,
        0.5,
        1e-4,
        1e30,
        1e308,
        -1e308,
        5e-324,
        2**53,
        2**53 + 1,
        10**30,
        math.inf,
        -math.inf,
        math.nan,
    ]
)
SCALARS = st.one_of(
    NUMBERS, st.sampled_from([None, True, False, "", "on", "1e-4", "huber", "a b", "ü", [], {}, [1], "x" * 99])
)
KEYS = ["type", "low", "high", "default", "log", "step", "choices", "when", "min_depth", "max_depth", "hihg"]
TYPES = st.sampled_from(["float", "int", "categorical", "widths", "real", None, 1])


@st.composite
def parameters(draw):
    """Draw a parameter with likely keys and any values."""
    made = {"type": draw(TYPES)}
    for key in draw(st.lists(st.sampled_from(KEYS[1:]), unique=True)):
        made[key] = draw(st.lists(SCALARS, max_size=4)) if key == "choices" else draw(SCALARS)
    if draw(st.booleans()):
        low = draw(NUMBERS)
        made |= {"low": low, "high": draw(NUMBERS), "default": low}
    if draw(st.booleans()):
        made["when"] = {draw(st.sampled_from(["a", "b", "none"])): draw(st.lists(SCALARS, max_size=2))}
    return made


CONTENT = st.dictionaries(
    st.sampled_from(["model", "hypernet", "training", "backbone", "other", 1, None, True]),
    st.one_of(
        SCALARS, st.dictionaries(st.sampled_from(["a", "b", "c", 1, None, True]), st.one_of(SCALARS, parameters()))
    ),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("made")


@settings(max_examples=300, deadline=None)
@given(content=st.one_of(CONTENT, SCALARS))
def test_a_made_space_is_refused_in_one_sentence_or_can_be_sampled(folder, content):
    path = folder / "made.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    try:
        space = load_space(path)
    except InputError as error:
        message = str(error)
        assert message.startswith(str(path)) and "\n" not in message
        assert not any(raw in message for raw in ("Input should", "[type=", "pydantic", "Traceback"))
        return
    all_configurations(space, 200)
    with warnings.catch_warnings(action="ignore"):
        for sampler in ("random", "tpe"):
            study = optuna.create_study(sampler=build_sampler(sampler, 0))
            study.enqueue_trial(space.default_params())
            for _ in range(3):
                trial = study.ask()
                assert space.suggest(trial) == space.configuration(trial.params)
                study.tell(trial, 0.5)
    for largest in (False, True):
        assert list(space.corners(largest))
    assert space.without_hypernet()


ALWAYS_READ = {
    "one choice": "training: {loss: {type: categorical, choices: [huber], default: huber}}",
    "one number": "training: {lr: {type: float, low: 0.1, high: 0.1, default: 0.1, log: true}}",
    "one whole number": "training: {n: {type: int, low: 1, high: 1, default: 1, log: true}}",
    "a width of one": "model: {w: {type: widths, min_depth: 1, max_depth: 1, low: 1, high: 1, default: [1]}}",
    "an exponent": "training: {lr: {type: float, low: 1e-4, high: 1e-2, default: 1e-3, log: true}}",
    "an empty section": "model:\ntraining: {lr: {type: float, low: 0.1, high: 0.2, default: 0.1}}",
    "truth values": "training: {a: {type: categorical, choices: [on, off], default: on}}",
    "a byte-order mark": "\ufefftraining: {lr: {type: float, low: 0.1, high: 0.2, default: 0.1}}",
}


@pytest.mark.parametrize("text", ALWAYS_READ.values(), ids=ALWAYS_READ)
def test_an_odd_but_right_space_is_read_and_sampled(tmp_path, text):
    (tmp_path / "own.yaml").write_text(text, encoding="utf-8")
    space = load_space(tmp_path / "own.yaml")
    trial = optuna.create_study(sampler=build_sampler("tpe", 0)).ask()
    assert space.suggest(trial) and space.configuration(trial.params)


REFUSED = {
    "log of 0": (
        "training: {lr: {type: float, low: 0, high: 1, default: 0.1, log: true}}",
        "training.lr: a log scale needs low > 0",
    ),
    "log with a step": (
        "training: {lr: {type: float, low: 1, high: 10, default: 2, log: true, step: 1}}",
        "training.lr: a log scale has no step",
    ),
    "log of whole numbers with a step": (
        "training: {n: {type: int, low: 1, high: 9, default: 1, log: true, step: 2}}",
        "training.n: a log scale has no step",
    ),
    "an empty range": (
        "training: {lr: {type: float, low: 2, high: 1, default: 1}}",
        "training.lr: needs low <= default <= high",
    ),
    "a range wider than a float": (
        "training: {lr: {type: float, low: -1e308, high: 1e308, default: 0}}",
        "training.lr: the range from -1e+308 to 1e+308 is wider than the largest number",
    ),
    "a step too small": (
        "training: {lr: {type: float, low: 0, high: 1e308, default: 0, step: 1e-300}}",
        "training.lr: default and high must be whole steps",
    ),
    "a whole number beyond 53 bits": (
        "training: {n: {type: int, low: 0, high: 9007199254740993, default: 0}}",
        "training.n.high: must be at most 9007199254740992",
    ),
    "null as a choice": (
        "training: {lr: {type: categorical, choices: [null, 0.1], default: 0.1}}",
        "training.lr.choices.0: must be a number, a word, true or false, not null",
    ),
    "NaN as a choice": (
        "training: {lr: {type: categorical, choices: [.nan, 0.1], default: 0.1}}",
        "training.lr.choices.0: must be finite, not nan",
    ),
    "infinity as a fixed value": (
        "training: {a: .inf, lr: {type: float, low: 0.1, high: 0.2, default: 0.1}}",
        "training.a: must be finite, not inf",
    ),
    "null as a fixed value": (
        "training: {a: null, lr: {type: float, low: 0.1, high: 0.2, default: 0.1}}",
        "training.a: must be a number, a word, true, false or a list of numbers, not null",
    ),
    "a key given twice": (
        "training:\n  lr: 0.1\n  lr: {type: float, low: 0.1, high: 0.2, default: 0.1}",
        "is not readable as YAML: the key lr is there twice, in lines 2 and 3",
    ),
    "a key that YAML reads as a truth value": (
        "training: {on: 1}",
        "training: the key true is not text: write it in quotes",
    ),
    "a depth beyond its range": (
        "model: {w: {type: widths, min_depth: 1, max_depth: 1000000000, low: 1, high: 2, default: [1]}}",
        "model.w.max_depth: must be at most 64",
    ),
    "a condition that never holds": (
        "training: {a: {type: categorical, choices: [1, 2], default: 1},"
        " b: {type: int, low: 1, high: 2, default: 1, when: {a: [3]}}}",
        "training.b.when.a: a is never 3",
    ),
    "a condition without a value": (
        "training: {a: {type: categorical, choices: [1, 2], default: 1},"
        " b: {type: int, low: 1, high: 2, default: 1, when: {a: []}}}",
        "training.b.when.a: lists no value",
    ),
    "a condition on widths": (
        "model: {w: {type: widths, min_depth: 1, max_depth: 2, low: 1, high: 2, default: [1]}}\n"
        "training: {b: {type: int, low: 1, high: 2, default: 1, when: {w: [1]}}}",
        "training.b.when.w: w is never 1",
    ),
    "a condition outside a range": (
        "training: {a: {type: int, low: 1, high: 9, step: 2, default: 1},"
        " b: {type: int, low: 1, high: 2, default: 1, when: {a: [3, 4]}}}",
        "training.b.when.a: a is never 4",
    ),
    "widths the wrong way round": (
        "model: {w: {type: widths, min_depth: 3, max_depth: 2, low: 1, high: 2, default: [1, 1]}}",
        "model.w: needs min_depth <= max_depth, got 3, 2",
    ),
}


@pytest.mark.parametrize("text, reason", REFUSED.values(), ids=REFUSED)
def test_a_wrong_space_is_refused_with_file_key_and_reason(tmp_path, text, reason):
    (tmp_path / "own.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_space(tmp_path / "own.yaml")
    assert str(caught.value).startswith(f"{tmp_path / 'own.yaml'}") and reason in str(caught.value)


def test_a_sweep_that_began_with_a_condition_that_never_holds_is_read(tmp_path):
    (tmp_path / "own.yaml").write_text(REFUSED["a condition that never holds"][0], encoding="utf-8")
    assert load_space(tmp_path / "own.yaml", begun=True).default_params() == {"a": 1}
