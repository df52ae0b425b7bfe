"""Gates on candidates that pass and on candidates that each gate refuses."""

from types import SimpleNamespace

import numpy as np
import pytest

from orchestrator.registry.promotion.gate_inputs import Champion, GateThresholds
from orchestrator.registry.promotion.gates import GATES
from orchestrator.registry.promotion.gates.better import BetterThanChampion
from orchestrator.registry.promotion.gates.comparable import Comparable
from orchestrator.registry.promotion.gates.confirmed_on_test import Confirmed
from orchestrator.registry.promotion.gates.control import NotWorseThanControl
from orchestrator.registry.promotion.gates.no_pixel import AboveNoPixel
from orchestrator.registry.promotion.gates.predictions import UsablePredictions
from orchestrator.registry.promotion.gates.reproduces import Reproduces
from orchestrator.registry.promotion.rescore import ScoreCheck
from orchestrator.registry.promotion.sweep_results import hash_of_test
from orchestrator.registry.verify_scores import ScoreDifferences
from tests.registry.promotion.made import gate_inputs, predictions


def champion(table, run_id="earlier", same_test=True, source="same data and test set as version 3"):
    return Champion(SimpleNamespace(version="3", run_id=run_id), table, source, same_test)


def broken(value, part="test"):
    table = predictions(0.5)
    table.loc[table["part"] == part, "predicted_alignment"] = value
    return table


def good_baselines(noise=5.0):
    return {"generator_mean": predictions(noise, 5)}


def differences(largest, recorded=0.5, again=0.5):
    """Return differences of 240 images with a tolerance of 0.001."""
    metrics = ({"alignment": {"srcc": srcc, "plcc": srcc}} for srcc in (recorded, again))
    return ScoreDifferences(240, {"alignment": largest}, {"alignment": largest}, {"alignment": 1e-3}, *metrics)


SAME = ScoreCheck(from_images=differences(1e-5), from_features=differences(0.0), logged=0.5)
PASSING = [
    (Confirmed(), {}, "2 of 2"),
    (UsablePredictions(), {}, "standard deviation"),
    (Reproduces(), {"score_check": SAME}, "bit for bit from the stored features"),
    (Comparable(), {}, "no champion yet"),
    (Comparable(), {"champion": champion(predictions(1.0))}, "version 3"),
    (BetterThanChampion(), {}, "no champion"),
    (BetterThanChampion(), {"champion": champion(predictions(1.5, 3))}, "to version 3"),
    (NotWorseThanControl(), {"control": predictions(1.5, 3)}, "SRCC +"),
    (NotWorseThanControl(), {"control": predictions(0.47, 4)}, "SRCC -0.00"),
    (NotWorseThanControl(), {"control": predictions(0.45, 3), "thresholds": GateThresholds(margin=0.03)}, "SRCC -0.02"),
    (NotWorseThanControl(), {"variant": "plain_head"}, "plain_head itself"),
    (AboveNoPixel(), {"baselines": good_baselines()}, "the generator's mean"),
    (AboveNoPixel(), {"baselines": good_baselines(0.6)}, "SRCC +0.0"),
    (AboveNoPixel(), {"baselines": {}}, "none of them can rank"),
    (AboveNoPixel(), {"baselines": {"generator_mean": broken(3.0)}}, "none of them can rank"),
]
REFUSING = [
    (Confirmed(), {"protocol": "paper"}, "optimistic"),
    (Confirmed(), {"splits": 3}, "2 of 3"),
    (Confirmed(), {"own_splits": (1, 1)}, "1 of 2"),
    (Confirmed(), {"test_srcc": float("nan")}, "0 of 2"),
    (UsablePredictions(), {"own": broken(2.0)}, "the same alignment of all 240"),
    (UsablePredictions(), {"own": broken(np.nan)}, "240 of 240"),
    (Reproduces(), {"score_check": ScoreCheck("the images are missing")}, "are missing"),
    (Reproduces(), {"score_check": ScoreCheck("", differences(0.01), None, 0.5)}, "0.01 off at most"),
    (Reproduces(), {"score_check": ScoreCheck("", differences(0.0), differences(0.5), 0.5)}, "0.5 off"),
    (Reproduces(), {"score_check": ScoreCheck("", differences(0.0), differences(0.0), 0.4)}, "logged 0.4"),
    (Comparable(), {"champion": champion(None, source="cannot be re-scored: no images")}, "no images"),
    (BetterThanChampion(), {"champion": champion(predictions(0.5, 4))}, "short of zero"),
    (BetterThanChampion(), {"champion": champion(None)}, "cannot be compared"),
    (BetterThanChampion(), {"champion": champion(predictions(0.5), run_id="confirm-1")}, "this very model"),
    (
        BetterThanChampion(),
        {"champion": champion(predictions(1.5, 3)), "thresholds": GateThresholds(min_gain=0.9)},
        "short of +0.9",
    ),
    (
        BetterThanChampion(),
        {"champion": champion(predictions(0.5).assign(name="other.png"))},
        "no image that both have scored",
    ),
    (NotWorseThanControl(), {"control": predictions(0.2, 3)}, "it is worse than plain_head"),
    (NotWorseThanControl(), {"control": predictions(0.45, 3)}, "further below plain_head than 0.02"),
    (NotWorseThanControl(), {}, "confirmed no control"),
    (NotWorseThanControl(), {"control": predictions(1.5, 3), "control_splits": (1,)}, "only 1 of the 2"),
    (AboveNoPixel(), {"baselines": good_baselines(), "control_splits": (2,)}, "1 of the 2 splits"),
    (AboveNoPixel(), {"baselines": good_baselines(0.2)}, "which sees no pixel, is as good or better"),
    (AboveNoPixel(), {"baselines": {**good_baselines(), "prompt_mean": predictions(0.2, 5)}}, "the prompt's mean"),
    (AboveNoPixel(), {}, "no run of the baselines"),
    (
        AboveNoPixel(),
        {"baselines": {**good_baselines(), "prompt_mean": None}},
        "the prompt's mean of baselines-1 are missing",
    ),
]


@pytest.mark.parametrize(("gate", "arguments", "message"), PASSING)
def test_gate_passes(gate, arguments, message):
    result = gate.evaluate(gate_inputs(**arguments))
    assert result.passed and message in result.sentence and result.gate == gate.name


@pytest.mark.parametrize(("gate", "arguments", "message"), REFUSING)
def test_gate_refuses(gate, arguments, message):
    result = gate.evaluate(gate_inputs(**arguments))
    assert not result.passed and message in result.sentence


def test_both_lists_cover_every_gate():
    for cases in (PASSING, REFUSING):
        assert {type(gate) for gate, _, _ in cases} == {type(gate) for gate in GATES}


def test_better_than_champion_states_how_much_is_missing():
    result = BetterThanChampion().evaluate(gate_inputs(champion=champion(predictions(0.5, 4))))
    assert result.figures["low"] < 0 and f"{-result.figures['low']:.4f} short of zero" in result.sentence


def test_better_than_champion_widens_the_interval_with_confidence():
    width = []
    for confidence in (0.5, 0.99):
        inputs = gate_inputs(champion=champion(predictions(0.6, 4)), thresholds=GateThresholds(confidence=confidence))
        figures = BetterThanChampion().evaluate(inputs).figures
        width.append(figures["high"] - figures["low"])
    assert width[0] < width[1]


def test_hash_of_test_depends_on_names_and_true_scores_only():
    table = predictions(0.5)
    assert hash_of_test(table) == hash_of_test(predictions(2.0).sample(frac=1, random_state=0))
    other = table.copy()
    other.loc[other["part"] == "test", "alignment"] += 1e-9
    assert hash_of_test(other) != hash_of_test(table)
