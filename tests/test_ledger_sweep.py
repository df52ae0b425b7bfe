"""A tiny sweep whose ledger is a real PostgreSQL, killed and gone on with, through the real Ray."""

import os
import signal
import time
from pathlib import Path

import pytest
import yaml

from orchestrator.core.spec import load_spec
from orchestrator.core.workspace import Workspace
from orchestrator.search.ledger import Ledger
from orchestrator.search.open_storage import open_storage
from orchestrator.search.space import load_space
from tests.postgres import PostgresServer
from tests.test_end_to_end import folder, mlflow_runs, run, start

pytestmark = pytest.mark.long

__all__ = ["folder"]

TRIALS, EPOCHS = 2, 3
SETTINGS = ["--trials", str(TRIALS), "--epochs", str(EPOCHS), "--confirm", "0", "--name", "shared"]


def open_studies(workspace: Workspace) -> dict[str, Ledger]:
    spec, space = load_spec(workspace.spec), load_space(workspace.space)
    storage = open_storage(spec.ledger, workspace.ledger)
    names = [study.study_name for study in storage.get_all_studies()]
    assert sorted(names) == [f"{spec.id}/confirm", f"{spec.id}/control", f"{spec.id}/search"]
    spaces = {"search": space, "control": space.without_hypernet()}
    return {study: Ledger(storage, f"{spec.id}/{study}", own) for study, own in spaces.items()}


@pytest.mark.timeout(1200)
def test_killed_and_gone_on_with_from_postgres(folder: Path, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch):
    url = postgres.create_database()
    monkeypatch.setenv("HYPERASSESS_LEDGER", url)
    workspace = Workspace(folder / "sweeps" / "shared")
    process = start(folder, *SETTINGS)
    deadline = time.monotonic() + 400
    while not (workspace.spool.is_dir() and any(workspace.trials.glob("*/*"))):
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.2)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert yaml.safe_load(workspace.spec.read_text())["ledger"] == url.replace("postgresql:", "postgresql+psycopg:")
    before = {name: ledger.all() for name, ledger in open_studies(workspace).items()}

    # It goes on where it began, whatever the variable says by now; while the server is away it says so and ends.
    monkeypatch.setenv("HYPERASSESS_LEDGER", "postgresql://127.0.0.1:1/elsewhere")
    postgres.stop()
    code, _, err = run(folder, *SETTINGS)
    postgres.start()
    assert (code, err.count("\n")) == (2, 1) and "cannot be reached" in err, err
    code, _, err = run(folder, *SETTINGS)
    assert code == 0, err[-3000:]

    assert not workspace.ledger.exists()
    _, keyed = mlflow_runs(folder, workspace)
    for name, ledger in open_studies(workspace).items():
        trials = ledger.all()
        assert [trial.number for trial in trials] == list(range(TRIALS)) and ledger.terminal() == TRIALS
        for old, new in zip(before[name], trials, strict=False):
            assert old.params.items() <= new.params.items() and old.epochs.items() <= new.epochs.items()
            assert len(new.epochs) == EPOCHS or new.outcome != "complete"
    assert len(keyed) == 2 * TRIALS + 1
