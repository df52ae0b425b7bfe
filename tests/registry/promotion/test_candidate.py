"""Which run is chosen: by validation, where that has seen nothing of test."""

from types import SimpleNamespace

import pytest

from orchestrator.registry.promotion.candidate import candidate_of, choose
from orchestrator.registry.promotion.model_card import model_card
from tests.registry.promotion.made import MadeEvidence, predictions


def sweep(protocol, validation):
    return MadeEvidence(predictions(0.5), protocol=protocol, best_val_srcc=validation)


@pytest.mark.parametrize("protocol", ["paper", "slots", "random"])
def test_validation_that_test_has_a_part_in_does_not_choose(protocol):
    best = sweep("disjoint", 0.6)
    assert choose([sweep(protocol, 0.9), sweep("disjoint", 0.5), best], "srcc").evidence is best


def test_where_there_is_no_other_it_is_left_to_the_gates():
    best = sweep("paper", 0.9)
    assert choose(iter([sweep("paper", 0.5), best]), "srcc").evidence is best
    assert choose([], "srcc") is None


def card(protocol, named):
    evidence = sweep(protocol, 0.5)
    evidence.data_hash, evidence.sweep = "d" * 64, SimpleNamespace(data=SimpleNamespace(tags={}))
    evidence.spec.trials = evidence.spec.epochs = 2
    runs = evidence.configurations()["trial-0001"]
    found = candidate_of(evidence, runs[0], "srcc") if named else choose([evidence], "srcc")
    assert found.named == named
    return model_card(found, [], {}, "")


def test_a_card_says_how_its_run_was_chosen():
    chosen, named = card("disjoint", False), card("disjoint", True)
    assert "The only confirmed configuration, of its 2 runs" in chosen and "Named by" not in chosen
    assert "Named by `--run`." in named and "confirmed configuration" not in named


def test_a_card_does_not_say_that_test_was_read_once_where_it_chose():
    once, optimistic = card("disjoint", False), card("paper", False)
    assert "chosen on validation; the 240 test images of 60 prompts were read once" in once
    assert "chosen on the 240 test images of 60 prompts, so the figures are better" in optimistic
    assert "read once" not in optimistic and "chosen on validation" not in optimistic
