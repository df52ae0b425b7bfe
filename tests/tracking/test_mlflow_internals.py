"""Undocumented names of MLflow: each exists in the version it was checked against, and has a fallback."""

import sqlite3
from contextlib import closing

import mlflow
import pytest
from mlflow.db import upgrade
from mlflow.store.artifact.models_artifact_repo import REGISTERED_MODEL_META_FILE_NAME
from mlflow.utils import mlflow_tags

from orchestrator.tracking import pyfunc
from orchestrator.tracking.sqlite_init import locked_sqlite

CHECKED_VERSION = "3.17"

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        not mlflow.__version__.startswith(f"{CHECKED_VERSION}."), reason=f"checked against MLflow {CHECKED_VERSION}"
    ),
]


def test_the_version_of_a_loaded_model_is_in_this_file():
    """A missing file leaves only the digest of the logged model to compare."""
    assert pyfunc.REGISTERED_MODEL_META == REGISTERED_MODEL_META_FILE_NAME


@pytest.mark.parametrize("name", ["MLFLOW_PARENT_RUN_ID", "MLFLOW_RUN_NAME", "MLFLOW_SOURCE_NAME"])
def test_a_tag_of_a_run_has_this_name(name):
    assert getattr(mlflow_tags, name).startswith("mlflow.")


def test_the_upgrade_command_is_a_function_of_a_uri():
    assert callable(upgrade.callback) and [parameter.name for parameter in upgrade.params] == ["url"]


def test_without_the_function_the_tables_are_created_by_the_command(monkeypatch, tmp_path):
    monkeypatch.delattr("mlflow.db.upgrade")
    with locked_sqlite(f"sqlite:///{tmp_path}/mlflow.db"), closing(sqlite3.connect(tmp_path / "mlflow.db")) as database:
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert {"runs", "metrics", "experiments"} <= tables
