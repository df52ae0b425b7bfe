"""Claim rows read from the result of a sweep."""

from orchestrator.reporting.claims import Claim, Status, claims_line, claims_of_result

CONTROL = {"against": "control", "target": "alignment", "srcc_difference": -0.0058, "interval": [-0.028, 0.0182]}
RIDGE = {"against": "ridge", "target": "alignment", "srcc_difference": -0.1, "interval": [-0.2, -0.01]}


def test_claims_of_result_are_those_of_its_comparisons():
    claims = claims_of_result({"comparisons": [CONTROL, RIDGE]})
    found = {claim.name: str(claim.status) for claim in claims}
    assert found == {
        "better than plain_head": "not shown",
        "not inferior to plain_head by 0.02": "not shown",
        "better than ridge regression": "refuted",
    }
    assert claims[0].sentence == "SRCC -0.0058, 95 % interval [-0.0280, +0.0182]"
    line = (
        "Not shown: better than plain_head, not inferior to plain_head by 0.02; refuted: better than ridge regression"
    )
    assert claims_line(claims) == line


def test_claims_line_says_so_if_every_claim_is_shown():
    assert claims_line([Claim("better than plain_head", Status.SHOWN, "")]) == "Every claim is shown"


def test_claims_of_result_name_the_target_if_there_are_several():
    claims = claims_of_result({"comparisons": [RIDGE, {**RIDGE, "target": "quality"}]})
    assert [claim.name for claim in claims] == [
        "better than ridge regression in alignment",
        "better than ridge regression in quality",
    ]


def test_claims_of_result_skip_comparisons_without_a_figure():
    assert claims_of_result({"comparisons": [{**RIDGE, "srcc_difference": None, "interval": [None, None]}]}) == []
    assert claims_of_result({}) == [] and claims_line([]) == "No claim can be examined"
