"""Configurations that are added to a search that has begun."""

import pytest
from optuna.storages import InMemoryStorage

from orchestrator.search.enqueue_configurations import enqueue_configurations
from orchestrator.search.ledger import Ledger
from orchestrator.search.samplers import build_sampler
from tests.execution.fakes import SPACE


@pytest.fixture
def ledger():
    ledger = Ledger(InMemoryStorage(), "search", SPACE, build_sampler("random", 0))
    ledger.enqueue(SPACE.default_params())
    return ledger


def with_lr(lr):
    return {**SPACE.default_params(), "lr": lr}


def test_they_are_the_next_trials_in_their_order_and_say_who_enqueued_them(ledger):
    ledger.ask()
    found = enqueue_configurations(ledger, [with_lr(2e-3), with_lr(3e-3)], 9, "ada@node7")
    assert found.numbers == [1, 2] and found.sentences(9) == "Enqueued as the next: trials 1, 2."
    trials = [ledger.ask() for _ in range(3)]
    assert [trial.number for trial in trials] == [1, 2, 3]
    assert [trial.params["lr"] for trial in trials[:2]] == [2e-3, 3e-3]
    assert [trial.attributes.get("enqueued_by") for trial in trials] == ["ada@node7", "ada@node7", None]


def test_a_configuration_that_was_started_or_enqueued_is_not_enqueued_again(ledger):
    enqueue_configurations(ledger, [with_lr(2e-3)], 9, "ada@node7")
    found = enqueue_configurations(ledger, [with_lr(2e-3), SPACE.default_params(), with_lr(4e-3)], 9, "ada@node7")
    assert (found.known, found.numbers) == ({0: 1, 1: 0}, [2])
    assert "Configuration 0 is that of trial 1 already." in found.sentences(9)
    assert found.as_dict()["known"] == [{"configuration": 0, "trial": 1}, {"configuration": 1, "trial": 0}]


def test_the_budget_counts_started_and_enqueued_trials(ledger):
    ledger.ask()
    found = enqueue_configurations(ledger, [with_lr(lr / 1e3) for lr in (2, 3, 4, 5)], 3, "ada@node7")
    assert (found.numbers, found.no_room) == ([1, 2], 2)
    assert "2 configurations exceed the budget of 3 trials." in found.sentences(3)
