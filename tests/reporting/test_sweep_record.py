"""The record of a sweep, read from its folder."""

import json

import pytest

from orchestrator.core.errors import InputError
from orchestrator.core.spec import SweepSpec, load_spec
from orchestrator.core.sweep_folder import Workspace
from orchestrator.core.training_files import EPOCHS
from orchestrator.execution.epoch_log import EpochLog
from orchestrator.execution.job import EpochReport
from orchestrator.reporting.read_result import read_result
from orchestrator.reporting.sweep_record import read_sweep_record
from orchestrator.search.journal_storage import open_journal
from orchestrator.search.ledger import Ledger
from orchestrator.search.outcome import Outcome
from tests.search.small_ledger import SPACE, train


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    workspace = Workspace(tmp_path / "mine")
    workspace.root.mkdir()
    SweepSpec(name="mine", trials=3).save(workspace.spec)
    workspace.space.write_text(json.dumps(SPACE.model_dump(mode="json")), encoding="utf-8")
    return workspace


def test_trials_and_epochs_of_an_unfinished_sweep(workspace):
    ledger = Ledger(open_journal(workspace.ledger), "search", SPACE)
    train(ledger, 0.1, 0.3)
    ledger.finish(ledger.ask().number, Outcome.FAILED, error="Traceback\nValueError: no")
    ledger.ask()
    folder = workspace.trials / "trial-0000"
    folder.mkdir(parents=True)
    log = EpochLog(folder / EPOCHS)
    log.reset([EpochReport(1, 0.1, {"val_plcc": 0.2}, 1.5, 0.0)])
    record = read_sweep_record(workspace)
    trials, epochs = record.trials_table(), record.epochs_table()
    assert record.result is None and list(trials["key"]) == ["trial-0000", "trial-0001", "trial-0002"]
    assert list(trials["outcome"]) == ["complete", "failed", ""]
    assert trials["error"][1] == "ValueError: no" and trials["seconds"][0] >= 0
    assert list(epochs["objective"]) == [0.1, 0.3]
    assert epochs["val_plcc"][0] == 0.2 and epochs["val_plcc"].isna()[1]
    assert "lr" in trials and "rank" not in dict(record.space_of("control").items())


def test_a_result_of_an_earlier_version_is_completed_from_the_settings(workspace):
    workspace.result.write_text('{"best": null}', encoding="utf-8")
    result = read_sweep_record(workspace).result
    assert result == read_result(workspace, load_spec(workspace.spec)) and result["protocol"] == "disjoint"


def test_tables_of_a_sweep_without_trials_have_columns(workspace):
    record = read_sweep_record(workspace)
    assert record.trials_table().empty and "objective" in record.trials_table()
    assert record.epochs_table().empty and "epoch" in record.epochs_table()


def test_a_damaged_result_is_one_sentence(workspace):
    workspace.result.write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match="result.json cannot be read"):
        read_sweep_record(workspace)
