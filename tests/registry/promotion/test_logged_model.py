"""Whose files changed after they were vouched for is neither promoted nor compared with."""

from types import SimpleNamespace

import mlflow
import pytest
from mlflow.exceptions import MlflowException

from orchestrator.core.errors import InputError
from orchestrator.core.run_files import MODEL
from orchestrator.registry.promotion import champion, logged_model
from orchestrator.registry.promotion.champion import champion_on_candidate_test
from orchestrator.registry.promotion.dataset import AvailableDataset
from orchestrator.registry.promotion.logged_model import LoggedModelFiles
from orchestrator.registry.promotion.model_version import register
from orchestrator.tracking import mlflow_model
from orchestrator.tracking.digest import folder_digest
from tests.registry.promotion.made import case


@pytest.fixture
def files(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.json").write_text("{}")
    return folder


@pytest.fixture
def logged(files, monkeypatch):
    """What MLflow says of the run's model, whose files it gives."""
    model = SimpleNamespace(model_id="m-1", tags={"sha256": folder_digest(files)})
    monkeypatch.setattr(logged_model, "logged_model", lambda client, run: model)
    monkeypatch.setattr(logged_model, "fetch_logged", lambda *args: files)
    return model


def test_a_model_is_the_one_that_was_logged(files, logged, tmp_path):
    found = logged_model.saved_model(None, case().candidate, tmp_path)
    assert (found.model_id, found.folder, found.digest) == ("m-1", files, folder_digest(files))


def test_a_dry_run_logs_nothing(files, logged, tmp_path, monkeypatch):
    def log_model(*args):
        raise AssertionError("a model was logged")

    monkeypatch.setattr(logged_model, "logged_model", lambda client, run: None)
    monkeypatch.setattr(mlflow_model, "log_model", log_model)
    candidate = case().candidate
    own = tmp_path / "trials" / "confirm-1" / MODEL
    own.parent.mkdir(parents=True)
    files.rename(own)
    candidate.evidence.workspace = SimpleNamespace(trials=tmp_path / "trials")
    found = logged_model.saved_model(None, candidate, tmp_path, dry_run=True)
    assert found == LoggedModelFiles("", own, folder_digest(own))


@pytest.mark.parametrize("told", ["what was logged", None])
def test_files_that_changed_since_they_were_logged_are_not_vouched_for(files, logged, tmp_path, told):
    if told is None:
        logged.tags.clear()
    (files / "model.json").write_text('{"changed": true}')
    with pytest.raises(InputError, match="is not the one that was logged"):
        logged_model.saved_model(None, case().candidate, tmp_path)


def test_a_version_that_vouches_for_other_files_keeps_its_word(files, monkeypatch):
    monkeypatch.setattr(mlflow, "set_tracking_uri", lambda uri: None)
    tags = {"sha256": "of other files"}
    there = SimpleNamespace(version="3", run_id="confirm-1", source="models:/m-1", tags=tags)

    def create(name, **settings):
        raise MlflowException("it exists", error_code=3001)

    client = SimpleNamespace(create_registered_model=create, search_model_versions=lambda asked: [there])
    candidate, model = case().candidate, LoggedModelFiles("m-1", files, folder_digest(files))
    with pytest.raises(InputError, match="text_hyper/3 in MLflow was registered with other files"):
        register(client, "text_hyper", candidate, model)
    tags["sha256"] = model.digest
    assert register(client, "text_hyper", candidate, model) is there
    tags.clear()  # whoever registered it was killed before it could say so
    assert register(client, "text_hyper", candidate, model) is there


@pytest.mark.parametrize("changed", [False, True])
def test_a_champion_whose_files_changed_is_not_scored_again(files, tmp_path, monkeypatch, changed):
    judged = case().candidate
    tags = {"protocol": "disjoint", "sha256": folder_digest(files)}
    version = SimpleNamespace(name="text_hyper", version="3", run_id="gone", tags=tags)
    if changed:
        (files / "model.json").write_text('{"changed": true}')

    def gone(run_id):
        raise MlflowException("no such run")

    monkeypatch.setattr(champion, "fetch_version", lambda *args: files)
    monkeypatch.setattr(champion, "score_rows", lambda *args: judged.table)
    data = AvailableDataset(SimpleNamespace(), "")
    found = champion_on_candidate_test(SimpleNamespace(get_run=gone), version, judged, data, tmp_path, tmp_path)
    assert (found.table is None) == changed
    assert ("its files are not those of the sha256 in the registry" in found.how) == changed
