"""Candidates and the model card's words about their choice."""

from types import SimpleNamespace

import pytest

from orchestrator.core.errors import InputError
from orchestrator.registry.promotion.candidate import best_of, candidate_of, candidates_of
from orchestrator.registry.promotion.choose_candidate import choose
from orchestrator.registry.promotion.find_candidate import better_control
from orchestrator.registry.promotion.model_card import model_card
from orchestrator.reporting.claims import Claim, Status
from tests.registry.promotion.made import MadeSweepResults, predictions


def sweep(protocol="disjoint", validation=0.5, **more):
    return MadeSweepResults(predictions(0.5), protocol=protocol, best_val_srcc=validation, **more)


def test_best_of_a_control_is_a_candidate_named_plain_head():
    results = sweep(control=predictions(0.6))
    control = best_of(results, "srcc", "control")
    assert control.variant == "plain_head" and control.source == "control-0001" and control.name == "made/control-1"
    assert best_of(results, "srcc").variant == "text_hyper"
    assert best_of(sweep(), "srcc", "control") is None


def test_candidate_of_takes_a_run_of_the_study_only():
    results = sweep(control=predictions(0.6))
    run = results.configurations("control")["control-0001"][0]
    assert candidate_of(results, run, "srcc", "control").run is run
    with pytest.raises(InputError, match="not a complete confirm run of text_hyper"):
        candidate_of(results, run, "srcc")


def test_candidates_with_a_missing_split_are_returned_only_if_all_lack_one():
    results = sweep(splits=3)
    assert [one.source for one in candidates_of(results, "srcc")] == ["trial-0001"]


@pytest.mark.parametrize(("validation", "named"), [(0.6, True), (0.5, False), (0.4, False)])
def test_better_control_names_the_command_if_the_control_is_better(validation, named):
    results = sweep(control=predictions(0.6), control_validation=validation)
    sentence = better_control(best_of(results, "srcc"), "srcc")
    assert sentence == ("By validation the control is the better model: SRCC 0.6000, not 0.5000." if named else "")
    assert better_control(best_of(results, "srcc", "control"), "srcc") == ""


def test_better_control_compares_only_splits_that_both_have():
    results = sweep(control=predictions(0.6), control_validation=0.6, control_splits=(3,))
    assert better_control(best_of(results, "srcc"), "srcc") == ""


def card(protocol="disjoint", named=False, study="search"):
    results = sweep(protocol, control=predictions(0.6))
    results.sweep = SimpleNamespace(data=SimpleNamespace(tags={}))
    results.spec.trials = results.spec.epochs = 2
    if named:
        candidate = candidate_of(results, results.configurations()["trial-0001"][0], "srcc")
    else:
        candidate = choose([results], "srcc", study).candidate
    assert candidate.named == named
    return model_card(candidate, [], [Claim("better than x", Status.REFUTED, "SRCC -0.1")], {}, "")


def test_model_card_states_how_the_run_was_chosen():
    chosen, named = card(), card(named=True)
    assert "The only confirmed configuration, of its 2 runs" in chosen and "Given by" not in chosen
    assert "Given by `--run`." in named and "confirmed configuration" not in named


def test_model_card_states_each_claim_and_a_control_as_such():
    assert "### Claims\n- refuted: **better than x**: SRCC -0.1" in card()
    assert "The model is of **plain_head**, the control of text_hyper, run `made/control-1`" in card(study="control")


def test_model_card_does_not_state_one_test_evaluation_for_an_optimistic_protocol():
    once, optimistic = card(), card("paper")
    assert "chosen on validation; the 240 test images of 60 prompts were evaluated once" in once
    assert "chosen on the 240 test images of 60 prompts, so the figures are optimistic" in optimistic
    assert "evaluated once" not in optimistic and "chosen on validation" not in optimistic
