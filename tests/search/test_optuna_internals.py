"""Private names of Optuna: each exists in the version it was checked against, and has a fallback or a refusal."""

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import InMemoryStorage, RDBStorage
from optuna.storages.journal import _storage as journal

from orchestrator.core.errors import InputError
from orchestrator.search import optuna_internals as internals
from orchestrator.search.bulk_rdb_storage import BulkRDBStorage
from orchestrator.search.journal_storage import open_journal
from orchestrator.search.ledger import Ledger
from orchestrator.search.rdb_storage import open_database
from orchestrator.search.windowed_sampler import WindowedSampler
from tests.search.small_ledger import SPACE, train

NAMED = pytest.mark.skipif(
    optuna.__version__.split(".")[:2] != internals.CHECKED_VERSION.split(".")[:2],
    reason=f"checked against Optuna {internals.CHECKED_VERSION}",
)


@NAMED
@pytest.mark.parametrize("name", [*internals.REQUIRED_OF_STUDY, *internals.COPIED_FROM_STUDY, "_get_trials"])
def test_a_study_has_the_attribute(name):
    assert hasattr(optuna.create_study(), name)


@NAMED
def test_a_trial_has_its_id():
    study = optuna.create_study()
    study.ask()
    assert study.trials[0]._trial_id == 0


@NAMED
@pytest.mark.parametrize("name", internals.RDB_METHODS)
def test_the_database_storage_has_the_method(name):
    assert callable(getattr(RDBStorage, name)) and internals.database_storage_class() is BulkRDBStorage


@NAMED
@pytest.mark.parametrize("name", internals.OPERATIONS_WITHOUT_SYNC)
def test_the_journal_has_the_operation(name):
    assert int(journal.JournalOperation[name]) in internals.operations_without_sync()


def test_an_enqueued_trial_stores_its_parameters_under_this_name():
    study = optuna.create_study()
    study.enqueue_trial({"x": 0.25})
    assert study.trials[0].system_attrs == {internals.FIXED_PARAMS: {"x": 0.25}}
    assert study.ask().suggest_float("x", 0, 1) == 0.25


def test_the_halving_pruner_stores_its_rungs_under_this_name():
    study = optuna.create_study(pruner=optuna.pruners.SuccessiveHalvingPruner(1, 2))
    trial = study.ask()
    trial.report(0.5, 1)
    trial.should_prune()
    assert study.trials[0].system_attrs == {internals.RUNG.format(0): 0.5}


def test_a_study_without_a_required_attribute_is_refused(monkeypatch):
    monkeypatch.setattr(internals, "REQUIRED_OF_STUDY", ("_renamed",))
    with pytest.raises(InputError, match=rf"no Study\._renamed.*install optuna=={internals.CHECKED_VERSION}"):
        Ledger(InMemoryStorage(), "search", SPACE)


def test_without_the_methods_optunas_own_database_storage_is_used(monkeypatch, tmp_path):
    monkeypatch.setattr(internals, "RDB_METHODS", ("_renamed",))
    storage = open_database(f"sqlite:///{tmp_path}/ledger.db")
    assert type(storage._storage) is RDBStorage
    assert train(Ledger(storage, "search", SPACE), 0.5) == 0


def test_without_the_operations_names_every_line_is_synced(monkeypatch, tmp_path):
    synced: list[int] = []
    monkeypatch.setattr("os.fsync", synced.append)
    counts = []
    for names in (internals.OPERATIONS_WITHOUT_SYNC, ("RENAMED",)):
        monkeypatch.setattr(internals, "OPERATIONS_WITHOUT_SYNC", names)
        ledger = Ledger(open_journal(tmp_path / names[0]), "search", SPACE)
        number = ledger.ask().number
        synced.clear()
        ledger.set_attributes(number, failures=[])
        counts.append(len(synced))
    assert counts == [0, 1]


def test_without_the_attributes_a_sampler_sees_the_whole_history(monkeypatch):
    seen: list[int] = []

    class Counting(optuna.samplers.RandomSampler):
        def infer_relative_search_space(self, study, trial):
            seen.append(len(study.get_trials(deepcopy=False)))
            return {}

    for names in (internals.COPIED_FROM_STUDY, ("_renamed",)):
        monkeypatch.setattr(internals, "COPIED_FROM_STUDY", names)
        study = optuna.create_study(sampler=WindowedSampler(Counting(), newest=2, best=1), direction="maximize")
        study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=10)
    assert max(seen[:10]) <= 4 and seen[10:] == list(range(1, 11))


DISTRIBUTIONS = [
    FloatDistribution(0.1, 1.0),
    FloatDistribution(1e-5, 1e-1, log=True),
    FloatDistribution(0.0, 0.9, step=0.3),
    IntDistribution(1, 9, step=2),
    IntDistribution(1, 64, log=True),
    CategoricalDistribution(["a", "b", "c"]),
]


@pytest.mark.parametrize("distribution", DISTRIBUTIONS, ids=repr)
@given(value=st.one_of(st.floats(-1, 70), st.integers(-1, 70), st.sampled_from([0.1, 0.3, 0.6, 0.9, 1e-5])))
def test_a_value_is_contained_as_optuna_has_it(distribution, value):
    assert internals.contains(distribution, value) == distribution._contains(value)
