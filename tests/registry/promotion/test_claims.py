"""Evaluation of the claims about a candidate."""

import json

import pytest

from orchestrator.registry.promotion.evaluate_claims import evaluate_claims
from orchestrator.registry.promotion.gate_inputs import GateThresholds
from orchestrator.registry.promotion.model_version import gates_tag
from orchestrator.reporting.claims import Status
from tests.registry.promotion.made import gate_inputs, predictions


def statuses(**arguments):
    return {claim.name: str(claim.status) for claim in evaluate_claims(gate_inputs(**arguments))}


@pytest.mark.parametrize(
    ("control", "better", "not_inferior"),
    [
        (predictions(1.5, 3), "shown", "shown"),
        (predictions(0.55, 4), "not shown", "shown"),
        (predictions(0.45, 3), "not shown", "not shown"),
        (predictions(0.4, 3), "refuted", "not shown"),
        (predictions(0.2, 3), "refuted", "refuted"),
    ],
)
def test_claims_about_the_control_follow_from_its_interval(control, better, not_inferior):
    found = statuses(control=control)
    assert found["better than plain_head"] == better
    assert found["not inferior to plain_head by 0.02"] == not_inferior


def test_claims_use_the_margin():
    found = statuses(control=predictions(0.45, 3), thresholds=GateThresholds(margin=0.06))
    assert found["not inferior to plain_head by 0.06"] == "shown"


def test_claims_about_baselines_are_one_each_without_those_that_cannot_rank():
    baselines = {"ridge": predictions(0.2, 5), "generator_mean": predictions(5.0, 5)}
    found = statuses(control=predictions(1.5, 3), baselines=baselines)
    assert found["better than ridge regression"] == "refuted" and found["better than the generator's mean"] == "shown"
    assert len(found) == 4


def test_claims_state_why_there_is_no_interval():
    claims = evaluate_claims(gate_inputs(baselines={"generator_mean": predictions(5.0, 5)}))
    assert claims[0].status is Status.NOT_SHOWN and "confirmed no control" in claims[0].sentence


def test_claims_leave_the_control_itself_without_claims_about_it():
    found = statuses(variant="plain_head", baselines={"generator_mean": predictions(5.0, 5)})
    assert list(found) == ["better than the generator's mean"]


def test_gates_tag_has_the_figures_of_every_claim():
    claims = evaluate_claims(gate_inputs(control=predictions(0.55, 4)))
    better = json.loads(gates_tag([], claims)["claims"])[0]
    assert better["claim"] == "better than plain_head" and better["status"] == "not shown"
    assert better["figures"]["low"] < 0 < better["figures"]["high"] and better["figures"]["splits"] == 2
