"""A sweep with its checkpoints in S3 and its ledger in PostgreSQL, killed, then resumed from a copy of its folder."""

import json
import shutil
import time

import pytest
import yaml

from orchestrator.core.spec import load_spec
from orchestrator.core.sweep_folder import Workspace
from orchestrator.search.ledger import Ledger
from orchestrator.search.open_storage import open_storage
from orchestrator.search.space import load_space
from tests.commands import run, start
from tests.mlflow_database import copy_database
from tests.ratings import make_ratings
from tests.records import Budget, Records
from tests.running import wait_for_epochs
from tests.s3 import BUCKET

pytestmark = [pytest.mark.long, pytest.mark.timeout(1200)]

TRIALS, EPOCHS = 2, 40
SETTINGS = ["--name", "moved", "--trials", TRIALS, "--epochs", EPOCHS, "--confirm", 0, "--pruner", "none"]


def open_search(workspace):
    """Return the search's ledger in PostgreSQL."""
    spec = load_spec(workspace.spec)
    return Ledger(open_storage(spec.ledger, workspace.ledger), f"{spec.id}/search", load_space(workspace.space))


def test_killed_sweep_resumes_from_its_copied_folder(tmp_path, s3_server, postgres, mlflow_database, monkeypatch):
    url = postgres.create_database()
    monkeypatch.setenv("HYPERASSESS_LEDGER", url)
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
    make_ratings(first)
    tracking_uri = copy_database(mlflow_database, first)
    where = ["--variant", "plain_head", "--storage-path", f"s3://{BUCKET}/moved", "--tracking-uri", tracking_uri]
    process = start(first, "sweep", "--dataset", f"csv:{first}/ratings.csv", *SETTINGS, *where)
    before = Workspace(first / "sweeps" / "moved")
    try:
        wait_for_epochs(process, before.spool / "events.jsonl", 12, '"val_srcc"')
    finally:
        process.kill()
        process.communicate()
    killed = time.time()
    assert list(before.root.rglob("last-*.safetensors")) == [], "checkpoints are in the bucket alone"
    assert yaml.safe_load(before.spec.read_text(encoding="utf-8"))["ledger"] == url.replace(
        "postgresql:", "postgresql+psycopg:"
    )
    old = open_search(before).all()
    shutil.copytree(before.root, second / "sweeps" / "moved")
    shutil.move(first / "sweeps", first / "moved away")

    # The ledger is the one that the sweep began with, not the variable's; if it is away, the command says so and ends.
    monkeypatch.setenv("HYPERASSESS_LEDGER", "postgresql://127.0.0.1:1/elsewhere")
    postgres.stop()
    try:
        away = run(second, "resume", "moved", code=2)
    finally:
        postgres.start()
    assert "cannot be reached" in away.err and away.err.count("\n") == 1, away.err
    result = json.loads(run(second, "resume", "moved", "--json").out)
    assert result["counts"]["complete"] == TRIALS

    workspace = Workspace(second / "sweeps" / "moved")
    assert not workspace.ledger.exists()
    new = open_search(workspace).all()
    assert [trial.number for trial in new] == list(range(TRIALS))
    for then, now in zip(old, new, strict=False):
        assert then.params.items() <= now.params.items() and then.epochs.items() <= now.epochs.items()
    histories = [
        [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        for path in workspace.trials.glob("trial-*/epochs.jsonl")
    ]
    assert len(histories) == TRIALS
    for history in histories:
        assert [epoch["number"] for epoch in history] == list(range(1, EPOCHS + 1))
    kept = [epoch for history in histories for epoch in history if epoch["time"] < killed]
    assert len(kept) >= 8, "what was trained before is trained again"
    runs = Records(workspace, tracking_uri, Budget(TRIALS, EPOCHS, 0, 1)).runs
    keys = sorted(run.data.tags["run_key"] for run in runs)
    assert keys == ["sweep", *(f"trial-{number:04d}" for number in range(TRIALS))]
