"""Other numeric ranges within a study: what is refused, and what samplers propose and see then."""

import optuna
import pytest
from optuna.distributions import check_distribution_compatibility

from orchestrator.core.errors import InputError
from orchestrator.search.changed_ranges import ChangedRangesSampler, count_inside, with_ranges
from orchestrator.search.ledger import Ledger
from orchestrator.search.open_storage import open_storage
from orchestrator.search.outcome import Outcome
from orchestrator.search.pruners import build_pruner
from orchestrator.search.samplers import build_sampler, list_samplers
from orchestrator.search.space import SearchSpace
from orchestrator.search.space_overrides import override_space

SPACE = SearchSpace.model_validate(
    {
        "model": {
            "widths": {"type": "widths", "min_depth": 1, "max_depth": 3, "low": 8, "high": 64, "default": [32, 16]},
            "dropout": {"type": "float", "low": 0.0, "high": 0.6, "default": 0.2},
            "activation": "gelu",
        },
        "training": {
            "lr": {"type": "float", "low": 1e-4, "high": 1e-1, "log": True, "default": 1e-3},
            "warm": {"type": "int", "low": 0, "high": 10, "default": 5},
            "loss": {"type": "categorical", "choices": ["huber", "mse"], "default": "mse"},
        },
    }
)
NARROW = ("lr=loguniform(1e-3, 1e-2)", "depth=int(1, 2)", "dropout=float(0.1, 0.3)")


def narrowed(*overrides: str) -> SearchSpace:
    return with_ranges(SPACE, override_space(SPACE, overrides)[0])


@pytest.mark.parametrize(
    "override, reason",
    [
        ("training.ema=0.9", "has no entry training.ema"),
        ("loss=[huber]", "training.loss: the choices stay"),
        ("loss=huber", "training.loss is categorical in this sweep, not fixed"),
        ("warm=float(0.5, 1)", "training.warm is int in this sweep, not float"),
        ("lr=uniform(1e-3, 1e-2)", "training.lr is logarithmic"),
        ("dropout=loguniform(0.1, 0.2)", "model.dropout is linear"),
        ("activation=relu", "activation is fixed at gelu"),
        ("activation=[gelu, relu]", "activation is fixed in this sweep, not categorical"),
        ("widths=[16]", "widths is widths in this sweep, not fixed"),
    ],
)
def test_change_of_more_than_a_range_is_refused(override, reason):
    with pytest.raises(InputError, match=reason):
        narrowed(override)


def test_ranges_may_change_as_far_as_optuna_allows():
    changed = narrowed(*NARROW, "warm=range(0, 20, 5)", "width=tag(log, int(8, 128))")
    for name, parameter in changed.parameters().items():
        check_distribution_compatibility(SPACE.parameters()[name].distribution(), parameter.distribution())
    assert with_ranges(SPACE, SearchSpace(training={"lr": changed.training["lr"]})).model == SPACE.model
    assert narrowed("lr=0.002").training["lr"].low == narrowed("lr=0.002").training["lr"].high == 0.002


@pytest.mark.parametrize("name", list_samplers())
def test_every_sampler_proposes_inside_the_new_ranges_and_learns_from_trials_inside_them(tmp_path, name):
    storage, ledger = open_storage(None, tmp_path / "journal"), None
    for space, first in ((SPACE, True), (narrowed(*NARROW), False)):
        ledger = Ledger(storage, "search", space)
        sampler = build_sampler(name, 0)
        sampler = sampler if first else ChangedRangesSampler(sampler, space)
        ledger.set_sampler_and_pruner(sampler, build_pruner("none", 1))
        for _ in range(14):
            trial = ledger.ask()
            ledger.report(trial.number, 1, 1 - abs(trial.params["dropout"] - 0.2))
            ledger.finish(trial.number, Outcome.COMPLETE)
    trials = ledger.trials()
    assert count_inside(space, [trial.params for trial in trials[14:]]) == 14
    assert all(SPACE.configuration(trial.params) for trial in trials)
    assert all(
        space.configuration(trial.params, in_range=False) == SPACE.configuration(trial.params) for trial in trials
    )


def test_joint_model_of_a_sampler_has_the_present_ranges():
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0), direction="maximize")
    for number in range(12):
        trial = study.ask()
        SPACE.suggest(trial)
        study.tell(trial, number / 12)
    space, seen = narrowed("lr=loguniform(1e-3, 1e-2)"), {}

    class Inner(optuna.samplers.RandomSampler):
        def infer_relative_search_space(self, study, trial):
            seen["trials"] = study.get_trials(deepcopy=False)
            return optuna.search_space.intersection_search_space(seen["trials"])

        def sample_relative(self, study, trial, search_space):
            seen["space"] = search_space
            return {}

    study.sampler = ChangedRangesSampler(Inner(), space)
    space.suggest(study.ask())
    ended = [trial for trial in seen["trials"] if trial.state.is_finished()]
    assert 0 < len(ended) < 12 and all(1e-3 <= trial.params["lr"] <= 1e-2 for trial in ended)
    assert (seen["space"]["lr"].low, seen["space"]["lr"].high) == (1e-3, 1e-2)
