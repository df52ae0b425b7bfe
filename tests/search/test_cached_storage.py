"""The cached storage returns what the storage behind it would return, without reading it."""

import math
from datetime import datetime
from functools import partial

import pytest
from optuna.distributions import FloatDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage, InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import TrialState, create_trial

from orchestrator.search.cached_storage import CachedStorage
from orchestrator.search.journal_storage import open_journal
from orchestrator.search.rdb_storage import open_database


@pytest.fixture(params=["memory", "journal", "sqlite"])
def behind(request, tmp_path) -> BaseStorage:
    if request.param == "memory":
        return InMemoryStorage()
    if request.param == "journal":
        return open_journal(tmp_path / "journal")
    return open_database(f"sqlite:///{tmp_path}/ledger.db")


@pytest.fixture
def study(behind):
    return behind.create_new_study([StudyDirection.MAXIMIZE], "search")


def change(storage: BaseStorage, study: int) -> None:
    """Make a change of every kind that a ledger makes."""
    storage.create_new_trial(study, create_trial(state=TrialState.WAITING, user_attrs={"split": 1}))
    for _ in range(3):
        trial = storage.create_new_trial(study)
        storage.set_trial_param(trial, "lr", 0.1 + 0.2, FloatDistribution(0.0, 1.0))
        storage.set_trial_intermediate_value(trial, 1, 1 / 3)
        storage.set_trial_intermediate_value(trial, 2, math.nan)
        storage.set_trial_user_attr(trial, "failures", [{"epoch": 1, "at": [1, 2]}])
        storage.set_trial_system_attr(trial, "completed_rung_0", 0.7)
    storage.set_trial_state_values(trial, TrialState.COMPLETE, [0.5])
    storage.set_trial_state_values(trial - 1, TrialState.PRUNED)
    assert storage.set_trial_state_values(trial - 3, TrialState.RUNNING)


def describe_trials(storage: BaseStorage, study: int, states=None) -> list[str]:
    """Return each trial as text, without its times, which differ between storages by less than a minute."""
    trials = storage.get_all_trials(study, states=states)
    for trial in trials:
        for moment in ("datetime_start", "datetime_complete"):
            if time := getattr(trial, moment):
                assert abs((datetime.now() - time).total_seconds()) < 60
                setattr(trial, moment, datetime.min)
    return [repr(trial) for trial in trials]


def test_cached_trials_equal_the_stored_ones(behind, study):
    change(behind, study)  # known from before
    cached = CachedStorage(behind)
    change(cached, study)
    assert describe_trials(cached, study) == describe_trials(behind, study)
    for states in [(state,) for state in TrialState] + [(TrialState.WAITING, TrialState.COMPLETE)]:
        assert describe_trials(cached, study, states) == describe_trials(behind, study, states)
        assert cached.get_n_trials(study, states) == behind.get_n_trials(study, states)
        assert cached.get_n_trials(study, states[0]) == behind.get_n_trials(study, states[0])
    assert cached.get_n_trials(study) == 8
    assert cached.get_trial_id_from_study_id_trial_number(study, 5) == cached.get_all_trials(study)[5]._trial_id
    with pytest.raises(KeyError):
        cached.get_trial_id_from_study_id_trial_number(study, 8)


def test_a_cached_attribute_equals_its_json_round_trip(tmp_path):
    journal = open_journal(tmp_path / "journal")
    study = journal.create_new_study([StudyDirection.MAXIMIZE], "search")
    cached = CachedStorage(journal)
    trial = cached.create_new_trial(study)
    cached.set_trial_user_attr(trial, "widths", {1: (64, 32)})
    assert cached.get_trial(trial).user_attrs == journal.get_trial(trial).user_attrs == {"widths": {"1": [64, 32]}}


def test_a_refused_change_is_not_cached(behind, study):
    cached = CachedStorage(behind)
    trial = cached.create_new_trial(study)
    cached.set_trial_state_values(trial, TrialState.FAIL)
    with pytest.raises(UpdateFinishedTrialError):
        cached.set_trial_user_attr(trial, "late", 1)
    assert cached.get_trial(trial).user_attrs == {}


def test_a_returned_trial_does_not_change(behind, study):
    cached = CachedStorage(behind)
    trial = cached.create_new_trial(study)
    before = cached.get_trial(trial)
    cached.set_trial_intermediate_value(trial, 1, 0.5)
    assert before.intermediate_values == {} and cached.get_trial(trial).intermediate_values == {1: 0.5}
    cached.get_all_trials(study, deepcopy=True)[0].intermediate_values[9] = 0.0
    assert cached.get_trial(trial).intermediate_values == {1: 0.5}


def test_a_cached_study_is_not_read_again(behind, study):
    cached = CachedStorage(behind)
    trial = cached.create_new_trial(study)
    behind.get_all_trials = behind.get_trial = None  # type: ignore[assignment,method-assign]
    cached.set_trial_intermediate_value(trial, 1, 0.5)
    assert cached.get_all_trials(study)[0].intermediate_values == {1: 0.5}
    assert cached.get_n_trials(study, TrialState.RUNNING) == 1


def record_writes(behind: BaseStorage) -> list[str]:
    """Return a list that collects the names of calls that write to trials."""
    called = []

    def noting(name: str, method, *given):
        called.append(name)
        return method(*given)

    for name in ("create_new_trial", "set_trial_param", "set_trial_system_attr", "set_trial_user_attr"):
        setattr(behind, name, partial(noting, name, getattr(behind, name)))
    return called


def test_a_draft_is_written_in_one_call(behind, study):
    cached, called = CachedStorage(behind), record_writes(behind)
    with cached.draft():
        trial = cached.create_new_trial(study)
        for number in range(5):
            cached.set_trial_param(trial, f"x{number}", 0.1 + number, FloatDistribution(0.0, 9.0))
        cached.set_trial_system_attr(trial, "relative", "{}")
        assert cached.get_trial(trial).params["x4"] == 4.1 and cached.get_n_trials(study) == 1
        assert called == []
    assert called == ["create_new_trial"]
    assert describe_trials(cached, study) == describe_trials(behind, study)
    (only,) = cached.get_all_trials(study)
    assert only.state is TrialState.RUNNING and len(only.params) == 5 and only._trial_id != trial
    cached.set_trial_intermediate_value(only._trial_id, 1, 0.5)
    assert describe_trials(cached, study) == describe_trials(behind, study)


def test_a_failed_draft_is_discarded(behind, study):
    cached = CachedStorage(behind)
    with pytest.raises(ValueError, match="no sample"), cached.draft():
        cached.create_new_trial(study)
        raise ValueError("no sample")
    assert cached.get_n_trials(study) == behind.get_n_trials(study) == 0
    with cached.draft():
        cached.create_new_trial(study)
    assert [trial.number for trial in behind.get_all_trials(study)] == [0]


def test_a_waiting_trial_is_not_a_draft(behind, study):
    cached = CachedStorage(behind)
    waiting = cached.create_new_trial(study, create_trial(state=TrialState.WAITING))
    with cached.draft():
        assert cached.set_trial_state_values(waiting, TrialState.RUNNING)
        cached.set_trial_param(waiting, "x", 0.5, FloatDistribution(0.0, 1.0))
        assert behind.get_all_trials(study)[0].params == {"x": 0.5}
