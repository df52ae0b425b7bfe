"""A sweep whose checkpoints are in S3 goes on from another folder, as from another host, that has none of them."""

import json
import shutil
import subprocess
import sys
import time

import pytest

from orchestrator.core.workspace import Workspace
from tests.ratings import make_ratings
from tests.s3 import BUCKET

REPORTED = '"op_code":7'
"""In Optuna's journal: an epoch's objective."""

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]


def start(folder, *arguments):
    command = [sys.executable, "-m", *arguments]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_it_goes_on_where_its_folder_was_copied_to(tmp_path, s3_server):
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    make_ratings(here)
    sweep = ["orchestrator.sweep", "--dataset", f"csv:{here}/ratings.csv", "--name", "moved", "--pruner", "none"]
    sweep += ["--trials", "2", "--epochs", "40", "--confirm", "0", "--variant", "plain_head"]
    process = start(here, *sweep, "--storage-path", f"s3://{BUCKET}/moved")
    before = Workspace(here / "sweeps" / "moved")
    deadline = time.monotonic() + 300
    try:
        while not (before.ledger.exists() and before.ledger.read_text().count(REPORTED) >= 12):
            assert process.poll() is None and time.monotonic() < deadline, process.communicate()
            time.sleep(0.02)
    finally:
        process.kill()
        process.communicate()
    killed = time.time()
    assert not list(before.root.rglob("last-*.safetensors"))  # they are in the bucket alone
    shutil.copytree(before.root, there / "sweeps" / "moved")
    shutil.move(here / "sweeps", here / "gone")
    resumed = start(there, "orchestrator.resume", "moved", "--json")
    out, err = resumed.communicate(timeout=600)
    assert resumed.returncode == 0, (out + err)[-3000:]
    assert json.loads(out)["counts"]["complete"] == 2
    trials = Workspace(there / "sweeps" / "moved").trials
    histories = [
        [json.loads(line) for line in path.read_text().splitlines()] for path in trials.glob("trial-*/epochs.jsonl")
    ]
    assert len(histories) == 2
    for history in histories:
        assert [epoch["number"] for epoch in history] == list(range(1, 41))
    kept = [epoch for history in histories for epoch in history if epoch["time"] < killed]
    assert len(kept) >= 8, "what was trained before is trained again"
