"""Connection of promote, rollback and compare to MLflow."""

import subprocess
import sys

import pytest

from orchestrator.registry.promotion.command_helpers import connect
from tests.mlflow_database import copy_database


def test_another_registry_of_models_is_named(tmp_path, monkeypatch, mlflow_database, capsys):
    uri = copy_database(mlflow_database, tmp_path)
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", "http://user:secret@127.0.0.1:9")
    connect(uri)
    told = capsys.readouterr().err
    assert told.startswith("Registry of models: http://") and "MLFLOW_REGISTRY_URI" in told and "secret" not in told


@pytest.mark.parametrize("command", ["promote --variant text_hyper --history", "rollback --variant text_hyper --yes"])
def test_commands_about_an_alias_load_neither_pytorch_nor_statistics(tmp_path, mlflow_database, command: str) -> None:
    """Importing both takes seconds, and nothing is computed."""
    module, *options = command.split()
    code = (
        "import runpy, sys\n"
        f"sys.argv = ['-m', *{options!r}]\n"
        "try:\n"
        f"    runpy.run_module('orchestrator.{module}', run_name='__main__', alter_sys=True)\n"
        "except SystemExit:\n"
        "    pass\n"
        "print([name for name in ('mlflow', 'torch', 'scipy.stats', 'scipy.optimize') if name in sys.modules])\n"
    )
    copy_database(mlflow_database, tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True, encoding="utf-8"
    )
    assert done.stdout.splitlines()[-1] == "['mlflow']", done.stdout + done.stderr
