"""Connection of promote, rollback and compare to MLflow."""

from orchestrator.registry.promotion.command_helpers import connect
from tests.mlflow_database import copy_database


def test_another_registry_of_models_is_named(tmp_path, monkeypatch, mlflow_database, capsys):
    uri = copy_database(mlflow_database, tmp_path)
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", "http://user:secret@127.0.0.1:9")
    connect(uri)
    told = capsys.readouterr().err
    assert told.startswith("Registry of models: http://") and "MLFLOW_REGISTRY_URI" in told and "secret" not in told
