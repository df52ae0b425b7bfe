"""A study starts no configuration twice, whatever its sampler proposes, and ends with its space."""

import pytest
from optuna.storages import InMemoryStorage

from orchestrator.search.enumeration import configuration_key
from orchestrator.search.ledger import Ledger
from orchestrator.search.outcome import Outcome
from orchestrator.search.samplers import build_sampler
from orchestrator.search.space import SearchSpace
from orchestrator.search.unique_configurations import NoConfigurationLeft

TWO = SearchSpace.model_validate(
    {"training": {"batch_size": {"type": "categorical", "choices": [16, 32], "default": 16}}}
)
GRID = SearchSpace.model_validate(
    {
        "model": {"widths": {"type": "widths", "min_depth": 1, "max_depth": 1, "low": 4, "high": 7, "default": [4]}},
        "training": {
            "lr": {"type": "float", "low": 0.1, "high": 0.3, "step": 0.1, "default": 0.1},
            "warm": {"type": "int", "low": 0, "high": 1, "default": 0},
        },
    }
)


def train(ledger: Ledger, outcome: Outcome = Outcome.COMPLETE) -> int:
    number = ledger.ask().number
    ledger.report(number, 1, 0.1 * number)
    ledger.finish(number, outcome)
    return number


def opened(storage, space, sampler="tpe", seed=0):
    return Ledger(storage, "search", space, build_sampler(sampler, seed))


@pytest.mark.parametrize("sampler", ["tpe", "random", "cmaes"])
@pytest.mark.parametrize("space, size", [(TWO, 2), (GRID, 24)], ids=["two", "grid"])
def test_every_configuration_is_started_once_and_then_the_search_ends(space, size, sampler):
    ledger = opened(InMemoryStorage(), space, sampler)
    assert ledger.configurations() == size
    for number in range(size):
        assert not ledger.exhausted() and train(ledger) == number
    assert ledger.exhausted()
    with pytest.raises(NoConfigurationLeft):
        ledger.ask()
    assert len({configuration_key(trial.params) for trial in ledger.all()}) == len(ledger) == ledger.terminal() == size
    assert ledger.running() == ledger.waiting() == 0, "a skipped repeat leaves no trial"


@pytest.mark.parametrize("outcome", Outcome)
def test_a_configuration_is_started_once_whatever_its_outcome(outcome):
    ledger = opened(InMemoryStorage(), TWO)
    train(ledger, outcome), train(ledger, outcome)
    assert ledger.exhausted() and sum(ledger.counts().values()) == 2


def test_running_trials_count_as_started():
    ledger = opened(InMemoryStorage(), TWO)
    assert {ledger.ask().params["batch_size"] for _ in range(2)} == {16, 32}
    assert ledger.exhausted() and ledger.running() == 2


@pytest.mark.parametrize("seed", range(5))
def test_a_resumed_study_starts_only_what_is_left(seed):
    storage = InMemoryStorage()
    for start in range(4):
        ledger = opened(storage, GRID, "random", seed)  # the same seed proposes the same again
        ledger.resume_unfinished()
        for number in range(6):
            assert train(ledger) == 6 * start + number
    assert opened(storage, GRID).exhausted()
    assert len({configuration_key(trial.params) for trial in ledger.all()}) == 24


def test_a_repeated_enqueued_trial_gets_another_configuration():
    ledger = opened(InMemoryStorage(), TWO)
    for _ in range(3):
        ledger.enqueue({"batch_size": 32})
    assert [ledger.ask().params["batch_size"] for _ in range(2)] == [32, 16]
    assert ledger.exhausted() and ledger.waiting() == 1
    with pytest.raises(NoConfigurationLeft):
        ledger.ask()


def test_a_repeated_enqueued_trial_of_a_large_space_is_sampled():
    real = {"lr": {"type": "float", "low": 0.1, "high": 0.3, "default": 0.1}}
    ledger = opened(InMemoryStorage(), SearchSpace.model_validate({"training": real}))
    ledger.enqueue({"lr": 0.2}), ledger.enqueue({"lr": 0.2})
    first, second = ledger.ask(), ledger.ask()
    assert first.params == {"lr": 0.2} and second.params != first.params


def test_repeats_of_an_earlier_version_stay_and_are_not_added_to():
    storage = InMemoryStorage()
    ledger = opened(storage, GRID, "random")
    ledger._unique = None  # as if the study had asked without looking
    for _ in range(3):
        number = ledger._study.ask()
        GRID.suggest(number), number.set_user_attr("outcome", "failed")
    again = opened(storage, GRID)
    assert len(again.resume_unfinished()) == 0 and len(again) == 3
    again.enqueue(again.trial(0).params)
    assert configuration_key(again.ask().params) != configuration_key(again.trial(0).params)


def test_a_space_too_large_to_enumerate_ends_after_a_bounded_number_of_draws(monkeypatch):
    from orchestrator.search import unique_configurations

    monkeypatch.setattr(unique_configurations, "all_configurations", lambda space: None)
    monkeypatch.setattr(unique_configurations, "RANDOM_DRAWS", 50)
    ledger = opened(InMemoryStorage(), TWO, "random")
    train(ledger), train(ledger)
    assert not ledger.exhausted()
    with pytest.raises(NoConfigurationLeft):
        ledger.ask()
    assert ledger.exhausted() and len(ledger) == 2


def test_a_space_without_parameters_has_one_configuration():
    control = SearchSpace.model_validate({"hypernet": {"rank": {"type": "int", "low": 1, "high": 2, "default": 1}}})
    ledger = opened(InMemoryStorage(), control.without_hypernet())
    assert ledger.ask().params == {} and ledger.exhausted()
