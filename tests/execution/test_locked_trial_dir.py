"""Lock of a trial's folder by one writer."""

import json
import os
import subprocess
import sys
import time

import pytest

from orchestrator.execution.locked_trial_dir import LockedTrialDir, TrialDirLocked, read_worker
from orchestrator.execution.training_job import TrainingJob
from tests.execution.contexts import make_job, make_sweep_context

HOLD = """
import sys, time
from pathlib import Path
from orchestrator.execution.locked_trial_dir import LockedTrialDir
folder = LockedTrialDir(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


def test_second_worker_waits_and_names_the_holder(tmp_path):
    held = LockedTrialDir(tmp_path / "trial-0000")
    with pytest.raises(TrialDirLocked, match=f"trial-0000 is still written to by another worker, pid {os.getpid()} on"):
        LockedTrialDir(tmp_path / "trial-0000", wait=0.05)
    held.close()
    held.close()
    LockedTrialDir(tmp_path / "trial-0000", wait=0).close()


def test_killed_worker_releases_the_lock(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "t")], stdout=subprocess.PIPE, text=True, encoding="utf-8"
    )
    try:
        assert process.stdout.readline() == "held\n"
        worker = read_worker(tmp_path / "t")
        assert worker.pid == process.pid and abs(worker.started - time.time()) < 60 and worker.node is None
        with pytest.raises(TrialDirLocked):
            LockedTrialDir(tmp_path / "t", wait=0)
    finally:
        process.kill()
        process.wait()
    LockedTrialDir(tmp_path / "t", wait=5).close()
    assert read_worker(tmp_path / "t").pid == os.getpid()
    assert read_worker(tmp_path / "t").token != worker.token


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": 3}', '{"colour": 3}'])
def test_damaged_worker_file_names_no_worker(tmp_path, content):
    (tmp_path / "worker.json").write_text(content, encoding="utf-8")
    worker = read_worker(tmp_path)
    assert worker is None or worker.pid == 3
    assert read_worker(tmp_path / "nowhere") is None


def test_job_locks_its_folder_until_its_last_message(tmp_path):
    context = make_sweep_context(tmp_path)
    steps = TrainingJob(make_job(epochs=2), context)
    steps.step()
    with pytest.raises(TrialDirLocked):
        LockedTrialDir(context.trials / "trial-0000", wait=0)
    assert steps.step()["outcome"] == "complete"
    LockedTrialDir(context.trials / "trial-0000", wait=0).close()


def test_job_that_cannot_start_releases_its_folder(tmp_path):
    context = make_sweep_context(tmp_path)
    with pytest.raises(ValueError, match="wings"):
        TrainingJob(make_job(model={"wings": 2}), context)
    LockedTrialDir(context.trials / "trial-0000", wait=0).close()


def test_same_job_claims_its_folder_again(tmp_path):
    folder = LockedTrialDir(tmp_path / "trial-0000")
    assert folder.claim(make_job()) is None
    (folder.path / "x").write_text("", encoding="utf-8")
    assert folder.claim(make_job(params={"lr": "spelled otherwise"})) is None
    assert "trial-0000.aside-1" in folder.claim(make_job(seed=9))
    assert "trial-0000.aside-2" in folder.claim(make_job(seed=10))
    assert json.loads((folder.path / "job.json").read_text(encoding="utf-8"))["seed"] == 10
    assert {path.name for path in (tmp_path / "trial-0000.aside-1").iterdir()} == {"x", "job.json"}
