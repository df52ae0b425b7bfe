"""Every gate refuses what it is there to refuse, says by how much, and lets the rest pass."""

from types import SimpleNamespace

import numpy as np
import pytest

from orchestrator.registry.promotion.gate_inputs import Champion, GateThresholds
from orchestrator.registry.promotion.gates import GATES
from orchestrator.registry.promotion.gates.better import BetterThanChampion
from orchestrator.registry.promotion.gates.comparable import Comparable
from orchestrator.registry.promotion.gates.confirmed import Confirmed
from orchestrator.registry.promotion.gates.control import BeatsControl
from orchestrator.registry.promotion.gates.no_pixel import BeatsNoPixel
from orchestrator.registry.promotion.gates.predictions import UsablePredictions
from orchestrator.registry.promotion.gates.reproduces import Reproduces
from orchestrator.registry.promotion.score_check import ScoreCheck
from orchestrator.registry.promotion.sweep_results import hash_of_test as hash_of_test
from tests.registry.promotion.made import case, predictions


def champion(table, run_id="earlier", same=True, how="same data and test set as version 3"):
    return Champion(SimpleNamespace(version="3", run_id=run_id), table, how, same)


def broken(value, part="test"):
    table = predictions(0.5)
    table.loc[table["part"] == part, "predicted_alignment"] = value
    return table


def good_baselines(noise=5.0):
    return {"generator_mean": predictions(noise, 5)}


SAME = ScoreCheck(images=240, largest=1e-5, stored=0.0, tolerance=1e-3, logged=0.5, again=0.5)
PASSING = [
    (Confirmed(), {}, "2 of 2"),
    (UsablePredictions(), {}, "standard deviation"),
    (Reproduces(), {"reproduction": SAME}, "bit for bit from the stored features"),
    (Comparable(), {}, "no champion yet"),
    (Comparable(), {"champion": champion(predictions(1.0))}, "version 3"),
    (BetterThanChampion(), {}, "no champion"),
    (BetterThanChampion(), {"champion": champion(predictions(1.5, 3))}, "to version 3"),
    (BeatsControl(), {"control": predictions(1.5, 3)}, "SRCC +"),
    (BeatsControl(), {"variant": "plain_head"}, "plain_head itself"),
    (BeatsNoPixel(), {"baselines": good_baselines()}, "the generator's mean"),
    (BeatsNoPixel(), {"baselines": {}}, "none of them can rank"),
    (BeatsNoPixel(), {"baselines": {"generator_mean": broken(3.0)}}, "none of them can rank"),
]
REFUSING = [
    (Confirmed(), {"protocol": "paper"}, "optimistic"),
    (Confirmed(), {"splits": 3}, "2 of 3"),
    (Confirmed(), {"own_splits": (1, 1)}, "1 of 2"),
    (Confirmed(), {"test_srcc": float("nan")}, "0 of 2"),
    (UsablePredictions(), {"own": broken(2.0)}, "the same alignment of all 240"),
    (UsablePredictions(), {"own": broken(np.nan)}, "240 of 240"),
    (Reproduces(), {"reproduction": ScoreCheck("the images are not at hand")}, "not at hand"),
    (Reproduces(), {"reproduction": ScoreCheck("", 240, 0.01, None, 1e-3, 0.5, 0.5)}, "0.01 off at most"),
    (Reproduces(), {"reproduction": ScoreCheck("", 240, 0.0, 0.5, 1e-3, 0.5, 0.5)}, "0.5 off"),
    (Reproduces(), {"reproduction": ScoreCheck("", 240, 0.0, 0.0, 1e-3, 0.5, 0.4)}, "logged 0.5"),
    (Comparable(), {"champion": champion(None, how="cannot be re-scored: no images")}, "no images"),
    (BetterThanChampion(), {"champion": champion(predictions(0.5, 4))}, "short of zero"),
    (BetterThanChampion(), {"champion": champion(None)}, "cannot be compared"),
    (BetterThanChampion(), {"champion": champion(predictions(0.5), run_id="confirm-1")}, "this very model"),
    (
        BetterThanChampion(),
        {"champion": champion(predictions(1.5, 3)), "rules": GateThresholds(min_gain=0.9)},
        "short of +0.9",
    ),
    (
        BetterThanChampion(),
        {"champion": champion(predictions(0.5).assign(name="other.png"))},
        "nothing that both have scored",
    ),
    (BeatsControl(), {"control": predictions(0.3, 3)}, "short of zero"),
    (BeatsControl(), {}, "confirmed no control"),
    (BeatsControl(), {"control": predictions(1.5, 3), "beside": (1,)}, "only 1 of the 2"),
    (BeatsNoPixel(), {"baselines": good_baselines(), "beside": (2,)}, "1 of the 2 splits"),
    (BeatsNoPixel(), {"baselines": good_baselines(0.2)}, "short of zero"),
    (BeatsNoPixel(), {"baselines": {**good_baselines(), "prompt_mean": predictions(0.2, 5)}}, "the prompt's mean"),
    (BeatsNoPixel(), {}, "no run of the baselines"),
    (
        BeatsNoPixel(),
        {"baselines": {**good_baselines(), "prompt_mean": None}},
        "the prompt's mean of baselines-1 are gone",
    ),
]


@pytest.mark.parametrize(("gate", "made", "told"), PASSING)
def test_it_lets_pass(gate, made, told):
    verdict = gate.judge(case(**made))
    assert verdict.passed and told in verdict.sentence and verdict.gate == gate.name


@pytest.mark.parametrize(("gate", "made", "told"), REFUSING)
def test_it_refuses(gate, made, told):
    verdict = gate.judge(case(**made))
    assert not verdict.passed and told in verdict.sentence


def test_every_gate_is_tried_here():
    for tried in (PASSING, REFUSING):
        assert {type(gate) for gate, _, _ in tried} == {type(gate) for gate in GATES}


def test_by_how_much_it_is_refused():
    verdict = BetterThanChampion().judge(case(champion=champion(predictions(0.5, 4))))
    assert verdict.figures["low"] < 0 and f"{-verdict.figures['low']:.4f} short of zero" in verdict.sentence


def test_more_confidence_is_a_wider_interval():
    width = []
    for confidence in (0.5, 0.99):
        judged = case(champion=champion(predictions(0.6, 4)), rules=GateThresholds(confidence=confidence))
        figures = BetterThanChampion().judge(judged).figures
        width.append(figures["high"] - figures["low"])
    assert width[0] < width[1]


def test_the_test_set_is_known_by_names_and_truth_not_by_order_or_predictions():
    table = predictions(0.5)
    assert hash_of_test(table) == hash_of_test(predictions(2.0).sample(frac=1, random_state=0))
    other = table.copy()
    other.loc[other["part"] == "test", "alignment"] += 1e-9
    assert hash_of_test(other) != hash_of_test(table)
