"""Which run is chosen: by validation, where that has seen nothing of test."""

import pytest

from orchestrator.promotion.candidate import choose
from tests.promotion.made import MadeEvidence, predictions


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
