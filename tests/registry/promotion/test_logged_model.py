"""Logged models whose files have changed are neither promoted nor compared with."""

from types import SimpleNamespace

import mlflow
import pytest
from mlflow.exceptions import MlflowException

from orchestrator.core.errors import InputError
from orchestrator.core.training_files import MODEL
from orchestrator.registry.promotion import champion_scores, logged_model
from orchestrator.registry.promotion.champion_scores import champion_on_candidate_test
from orchestrator.registry.promotion.logged_model import LoggedModelFiles
from orchestrator.registry.promotion.model_version import register
from orchestrator.registry.promotion.sweep_dataset import AvailableDataset
from orchestrator.tracking import mlflow_model
from orchestrator.tracking.model_digest import folder_digest
from tests.registry.promotion.made import gate_inputs


@pytest.fixture
def files(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.json").write_text("{}", encoding="utf-8")
    return folder


@pytest.fixture
def logged(files, monkeypatch):
    """Logged model of the run; its download returns `files`."""
    model = SimpleNamespace(model_id="m-1", tags={"sha256": folder_digest(files)})
    monkeypatch.setattr(logged_model, "logged_model", lambda client, run: model)
    monkeypatch.setattr(logged_model, "fetch_logged", lambda *args: files)
    return model


def test_saved_model_returns_the_logged_files(files, logged, tmp_path):
    found = logged_model.saved_model(None, gate_inputs().candidate, tmp_path)
    assert (found.model_id, found.folder, found.digest) == ("m-1", files, folder_digest(files))


def test_saved_model_logs_nothing_in_a_dry_run(files, logged, tmp_path, monkeypatch):
    def log_model(*args):
        raise AssertionError("a model was logged")

    monkeypatch.setattr(logged_model, "logged_model", lambda client, run: None)
    monkeypatch.setattr(mlflow_model, "log_model", log_model)
    candidate = gate_inputs().candidate
    own = tmp_path / "trials" / "confirm-1" / MODEL
    own.parent.mkdir(parents=True)
    files.rename(own)
    candidate.results.workspace = SimpleNamespace(trials=tmp_path / "trials")
    found = logged_model.saved_model(None, candidate, tmp_path, dry_run=True)
    assert found == LoggedModelFiles("", own, folder_digest(own))


@pytest.mark.parametrize("digest", ["of the logged files", None])
def test_saved_model_refuses_changed_files(files, logged, tmp_path, digest):
    if digest is None:
        logged.tags.clear()
    (files / "model.json").write_text('{"changed": true}', encoding="utf-8")
    with pytest.raises(InputError, match="is not the one that was logged"):
        logged_model.saved_model(None, gate_inputs().candidate, tmp_path)


def test_register_refuses_a_version_of_other_files(files, monkeypatch):
    monkeypatch.setattr(mlflow, "set_tracking_uri", lambda uri: None)
    tags = {"sha256": "of other files"}
    existing = SimpleNamespace(version="3", run_id="confirm-1", source="models:/m-1", tags=tags)

    def create(name, **settings):
        raise MlflowException("it exists", error_code=3001)

    client = SimpleNamespace(create_registered_model=create, search_model_versions=lambda condition: [existing])
    candidate, model = gate_inputs().candidate, LoggedModelFiles("m-1", files, folder_digest(files))
    with pytest.raises(InputError, match="text_hyper/3 in MLflow was registered with other files"):
        register(client, "text_hyper", candidate, model)
    tags["sha256"] = model.digest
    assert register(client, "text_hyper", candidate, model) is existing
    tags.clear()  # the process that registered it was killed before it set the tag
    assert register(client, "text_hyper", candidate, model) is existing


@pytest.mark.parametrize("changed", [False, True])
def test_champion_on_candidate_test_does_not_score_changed_files(files, tmp_path, monkeypatch, changed):
    candidate = gate_inputs().candidate
    tags = {"protocol": "disjoint", "sha256": folder_digest(files)}
    version = SimpleNamespace(name="text_hyper", version="3", run_id="gone", tags=tags)
    if changed:
        (files / "model.json").write_text('{"changed": true}', encoding="utf-8")

    def gone(run_id):
        raise MlflowException("no such run")

    monkeypatch.setattr(champion_scores, "fetch_version", lambda *args: files)
    monkeypatch.setattr(champion_scores, "score_rows", lambda *args: candidate.table)
    data = AvailableDataset(SimpleNamespace(), "")
    found = champion_on_candidate_test(SimpleNamespace(get_run=gone), version, candidate, data, tmp_path, tmp_path)
    assert (found.table is None) == changed
    assert ("its files are not those of the sha256 in the registry" in found.source) == changed
