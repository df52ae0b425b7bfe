"""A storage that remembers gives what the storage behind it would give, and does not ask it."""

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
    """Every kind of word that a ledger writes."""
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


def format_bytes(storage: BaseStorage, study: int, states=None) -> list[str]:
    """All that is known of each trial, its moments to the minute: the storage's are its own."""
    trials = storage.get_all_trials(study, states=states)
    for trial in trials:
        for moment in ("datetime_start", "datetime_complete"):
            if there := getattr(trial, moment):
                assert abs((datetime.now() - there).total_seconds()) < 60
                setattr(trial, moment, datetime.min)
    return [repr(trial) for trial in trials]


def test_what_it_remembers_is_what_was_written(behind, study):
    change(behind, study)  # known from before
    remembering = CachedStorage(behind)
    change(remembering, study)
    assert format_bytes(remembering, study) == format_bytes(behind, study)
    for states in [(state,) for state in TrialState] + [(TrialState.WAITING, TrialState.COMPLETE)]:
        assert format_bytes(remembering, study, states) == format_bytes(behind, study, states)
        assert remembering.get_n_trials(study, states) == behind.get_n_trials(study, states)
        assert remembering.get_n_trials(study, states[0]) == behind.get_n_trials(study, states[0])
    assert remembering.get_n_trials(study) == 8
    assert (
        remembering.get_trial_id_from_study_id_trial_number(study, 5) == remembering.get_all_trials(study)[5]._trial_id
    )
    with pytest.raises(KeyError):
        remembering.get_trial_id_from_study_id_trial_number(study, 8)


def test_an_attribute_is_what_it_is_after_json(tmp_path):
    journal = open_journal(tmp_path / "journal")
    study = journal.create_new_study([StudyDirection.MAXIMIZE], "search")
    remembering = CachedStorage(journal)
    trial = remembering.create_new_trial(study)
    remembering.set_trial_user_attr(trial, "widths", {1: (64, 32)})
    assert remembering.get_trial(trial).user_attrs == journal.get_trial(trial).user_attrs == {"widths": {"1": [64, 32]}}


def test_what_is_refused_is_not_remembered(behind, study):
    remembering = CachedStorage(behind)
    trial = remembering.create_new_trial(study)
    remembering.set_trial_state_values(trial, TrialState.FAIL)
    with pytest.raises(UpdateFinishedTrialError):
        remembering.set_trial_user_attr(trial, "late", 1)
    assert remembering.get_trial(trial).user_attrs == {}


def test_a_trial_that_was_given_out_stays_as_it_was(behind, study):
    remembering = CachedStorage(behind)
    trial = remembering.create_new_trial(study)
    before = remembering.get_trial(trial)
    remembering.set_trial_intermediate_value(trial, 1, 0.5)
    assert before.intermediate_values == {} and remembering.get_trial(trial).intermediate_values == {1: 0.5}
    remembering.get_all_trials(study, deepcopy=True)[0].intermediate_values[9] = 0.0
    assert remembering.get_trial(trial).intermediate_values == {1: 0.5}


def test_nothing_is_read_again(behind, study):
    remembering = CachedStorage(behind)
    trial = remembering.create_new_trial(study)
    behind.get_all_trials = behind.get_trial = None  # type: ignore[assignment,method-assign]
    remembering.set_trial_intermediate_value(trial, 1, 0.5)
    assert remembering.get_all_trials(study)[0].intermediate_values == {1: 0.5}
    assert remembering.get_n_trials(study, TrialState.RUNNING) == 1


def words(behind: BaseStorage) -> list[str]:
    """Names of the calls that write to trials, from now on."""
    called = []

    def noting(name: str, method, *given):
        called.append(name)
        return method(*given)

    for name in ("create_new_trial", "set_trial_param", "set_trial_system_attr", "set_trial_user_attr"):
        setattr(behind, name, partial(noting, name, getattr(behind, name)))
    return called


def test_a_draft_is_written_whole_and_at_once(behind, study):
    remembering, called = CachedStorage(behind), words(behind)
    with remembering.draft():
        trial = remembering.create_new_trial(study)
        for number in range(5):
            remembering.set_trial_param(trial, f"x{number}", 0.1 + number, FloatDistribution(0.0, 9.0))
        remembering.set_trial_system_attr(trial, "relative", "{}")
        assert remembering.get_trial(trial).params["x4"] == 4.1 and remembering.get_n_trials(study) == 1
        assert called == []
    assert called == ["create_new_trial"]
    assert format_bytes(remembering, study) == format_bytes(behind, study)
    (only,) = remembering.get_all_trials(study)
    assert only.state is TrialState.RUNNING and len(only.params) == 5 and only._trial_id != trial
    remembering.set_trial_intermediate_value(only._trial_id, 1, 0.5)
    assert format_bytes(remembering, study) == format_bytes(behind, study)


def test_a_draft_that_fails_leaves_nothing(behind, study):
    remembering = CachedStorage(behind)
    with pytest.raises(ValueError, match="no sample"), remembering.draft():
        remembering.create_new_trial(study)
        raise ValueError("no sample")
    assert remembering.get_n_trials(study) == behind.get_n_trials(study) == 0
    with remembering.draft():
        remembering.create_new_trial(study)
    assert [trial.number for trial in behind.get_all_trials(study)] == [0]


def test_a_waiting_trial_is_not_a_draft(behind, study):
    remembering = CachedStorage(behind)
    waiting = remembering.create_new_trial(study, create_trial(state=TrialState.WAITING))
    with remembering.draft():
        assert remembering.set_trial_state_values(waiting, TrialState.RUNNING)
        remembering.set_trial_param(waiting, "x", 0.5, FloatDistribution(0.0, 1.0))
        assert behind.get_all_trials(study)[0].params == {"x": 0.5}
