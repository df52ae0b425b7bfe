"""The bulk storage writes the rows of Optuna's own storage, on SQLite and PostgreSQL, in fewer statements."""

import math
import re
from contextlib import contextmanager

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import RDBStorage
from optuna.study import StudyDirection
from optuna.trial import TrialState, create_trial
from sqlalchemy import event, inspect, text

from orchestrator.search.bulk_rdb_storage import BulkRDBStorage

SPACE = {
    "lr": FloatDistribution(1e-5, 1e-1, log=True),
    "width": IntDistribution(16, 512, log=True),
    "loss": CategoricalDistribution(["huber", "plcc", None]),
    **{f"x{number}": FloatDistribution(0, 1) for number in range(20)},
}
PARAMS = {"lr": 3e-4, "width": 64, "loss": None, **{f"x{number}": number / 20 for number in range(20)}}


@pytest.fixture(params=["sqlite", "postgresql"])
def urls(request, tmp_path):
    """Two empty databases of one kind."""
    if request.param == "sqlite":
        return [f"sqlite:///{tmp_path}/{name}.db" for name in "ab"]
    postgres = request.getfixturevalue("postgres")
    return [postgres.create_database().replace("postgresql://", "postgresql+psycopg://") for _ in "ab"]


def storage_of(url: str, kind: type[RDBStorage] = BulkRDBStorage) -> tuple[RDBStorage, int]:
    storage = kind(url, {})
    return storage, storage.create_new_study([StudyDirection.MAXIMIZE], "search")


def running(**more):
    return create_trial(state=TrialState.RUNNING, params=PARAMS, distributions=SPACE, **more)


def rows(storage: RDBStorage) -> dict[str, list[tuple]]:
    """Return every row of every table, without times and ids of rows; an upsert skips ids."""
    found = {}
    with storage.engine.connect() as connection:
        for table in inspect(storage.engine).get_table_names():
            names = [column["name"] for column in inspect(storage.engine).get_columns(table)]
            columns = [name for name in names if "datetime" not in name and not re.search("(value|attribute)_id", name)]
            lines = connection.execute(text(f"SELECT {', '.join(columns)} FROM {table}"))
            found[table] = sorted((tuple(line) for line in lines), key=repr)
    return found


@contextmanager
def statements(storage: RDBStorage):
    said = []

    def note(connection, cursor, statement, *rest):
        said.append(statement)

    event.listen(storage.engine, "before_cursor_execute", note)
    yield said
    event.remove(storage.engine, "before_cursor_execute", note)


def test_the_rows_equal_those_of_optunas_storage(urls):
    written = []
    for url, kind in zip(urls, (BulkRDBStorage, RDBStorage), strict=True):
        storage, study = storage_of(url, kind)
        storage.create_new_trial(study, create_trial(state=TrialState.WAITING, system_attrs={"fixed_params": PARAMS}))
        for number in range(3):
            trial = storage.create_new_trial(study, running(user_attrs={"source": number}, system_attrs={"a": None}))
            for step, value in enumerate((0.5, math.nan, math.inf, -math.inf, 1 / 3), start=1):
                storage.set_trial_intermediate_value(trial, step, value)
            storage.set_trial_intermediate_value(trial, 1, 0.25)  # in the place of 0.5
            storage.set_trial_user_attr(trial, "failures", [{"epoch": 1, "at": [1, 2.5]}])
            storage.set_trial_user_attr(trial, "source", "another")
            storage.set_trial_system_attr(trial, "completed_rung_0", 0.7)
        plain = storage.create_new_trial(study)
        storage.set_trial_param(plain, "lr", 1e-3, SPACE["lr"])
        storage.set_trial_state_values(trial, TrialState.COMPLETE, [0.5])
        storage.set_trial_state_values(trial - 1, TrialState.PRUNED)
        ended = create_trial(state=TrialState.COMPLETE, value=0.5, intermediate_values={1: 0.5})
        storage.create_new_trial(study, ended)
        written.append((rows(storage), [repr(t.params) + repr(t.number) for t in storage.get_all_trials(study)]))
    assert written[0] == written[1]
    assert len(written[0][0]["trial_params"]) == 3 * len(SPACE) + 1


def test_a_trial_takes_few_statements(urls):
    """Optuna's own says more than three for each parameter."""
    storage, study = storage_of(urls[0])
    storage.create_new_trial(study, running())
    with statements(storage) as said:
        trial = storage.create_new_trial(study, running(user_attrs={"a": 1}, system_attrs={"b": 2}))
    assert len(said) <= 8, said
    for write in (
        lambda: storage.set_trial_intermediate_value(trial, 1, 0.5),
        lambda: storage.set_trial_user_attr(trial, "a", 2),
        lambda: storage.set_trial_system_attr(trial, "c", 2),
    ):
        with statements(storage) as said:
            write()
        assert len(said) == 1, said


def test_an_ended_or_missing_trial_cannot_be_changed(urls):
    storage, study = storage_of(urls[0])
    trial = storage.create_new_trial(study, running())
    storage.set_trial_state_values(trial, TrialState.PRUNED)
    before = rows(storage)
    for wrong, error in ((trial, UpdateFinishedTrialError), (trial + 1, KeyError)):
        with pytest.raises(error):
            storage.set_trial_intermediate_value(wrong, 1, 0.5)
        with pytest.raises(error):
            storage.set_trial_user_attr(wrong, "a", 1)
    assert rows(storage) == before


def test_a_parameter_keeps_its_kind_of_distribution(urls):
    storage, study = storage_of(urls[0])
    storage.create_new_trial(study, running())
    changed = create_trial(
        state=TrialState.RUNNING, params={"loss": "l1"}, distributions={"loss": CategoricalDistribution(["l1"])}
    )
    for one in (storage, BulkRDBStorage(urls[0], {})):  # one that wrote the first trial, and one that reads it
        before = rows(one)
        with pytest.raises(ValueError, match="CategoricalDistribution"):
            one.create_new_trial(study, changed)
        assert rows(one) == before
