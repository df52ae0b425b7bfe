"""Choice of a candidate by validation."""

from types import SimpleNamespace

import pytest

from orchestrator.registry.promotion.candidate import candidate_of, choose
from orchestrator.registry.promotion.model_card import model_card
from tests.registry.promotion.made import MadeSweepResults, predictions


def sweep(protocol, validation):
    return MadeSweepResults(predictions(0.5), protocol=protocol, best_val_srcc=validation)


@pytest.mark.parametrize("protocol", ["paper", "slots", "random"])
def test_choose_ignores_protocols_whose_validation_uses_test_images(protocol):
    best = sweep("disjoint", 0.6)
    assert choose([sweep(protocol, 0.9), sweep("disjoint", 0.5), best], "srcc").results is best


def test_choose_returns_an_optimistic_sweep_if_there_is_no_other():
    best = sweep("paper", 0.9)
    assert choose(iter([sweep("paper", 0.5), best]), "srcc").results is best
    assert choose([], "srcc") is None


def card(protocol, named):
    results = sweep(protocol, 0.5)
    results.data_hash, results.sweep = "d" * 64, SimpleNamespace(data=SimpleNamespace(tags={}))
    results.spec.trials = results.spec.epochs = 2
    runs = results.configurations()["trial-0001"]
    candidate = candidate_of(results, runs[0], "srcc") if named else choose([results], "srcc")
    assert candidate.named == named
    return model_card(candidate, [], {}, "")


def test_model_card_states_how_the_run_was_chosen():
    chosen, named = card("disjoint", False), card("disjoint", True)
    assert "The only confirmed configuration, of its 2 runs" in chosen and "Given by" not in chosen
    assert "Given by `--run`." in named and "confirmed configuration" not in named


def test_model_card_does_not_state_one_test_evaluation_for_an_optimistic_protocol():
    once, optimistic = card("disjoint", False), card("paper", False)
    assert "chosen on validation; the 240 test images of 60 prompts were evaluated once" in once
    assert "chosen on the 240 test images of 60 prompts, so the figures are optimistic" in optimistic
    assert "evaluated once" not in optimistic and "chosen on validation" not in optimistic
