"""A real sweep on a disk that is too small for it, resumed with more room; needs the right to mount a tmpfs."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.core.sweep_folder import Workspace
from orchestrator.search.read_ledger import read_studies
from tests.commands import run
from tests.mlflow_database import copy_database
from tests.ratings import make_ratings

pytestmark = pytest.mark.long

SMALL = ["--trials", 1, "--epochs", 2, "--confirm", 1, "--splits", 1, "--concurrency", 1]


def mount(*options: str) -> None:
    subprocess.run(["mount", *options], check=True, capture_output=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1.5 MB."""
    try:
        mount("-t", "tmpfs", "-o", "size=1500k", "tmpfs", str(tmp_path))
    except (subprocess.CalledProcessError, FileNotFoundError):
        pytest.skip("NOT TESTED: a sweep on a full disk needs the right to mount a tmpfs")
    yield tmp_path
    subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


def outcomes(workspace: Workspace) -> dict[str, list[str]]:
    """Return the outcomes of every study's trials."""
    return {study: [str(trial.outcome) for trial in trials] for study, trials in read_studies(workspace).items()}


def test_sweep_on_a_full_disk_stops_and_resumes_with_more_room(
    module_folder: Path, small_disk: Path, mlflow_database: Path
) -> None:
    make_ratings(module_folder)
    copy_database(mlflow_database, module_folder)
    data = ["--dataset", f"csv:{module_folder}/ratings.csv"]
    where = ["--out", small_disk, "--name", "full", "--keep", "all", "--min-free", 0]
    full = run(module_folder, "sweep", *data, *SMALL, *where, "--json", code=1)
    assert "The disk is full" in full.err and f"resume full --out {small_disk}" in full.err, full.err[-3000:]
    workspace = Workspace(small_disk / "full")
    assert not workspace.result.exists()
    before = outcomes(workspace)
    assert {outcome for study in before.values() for outcome in study} <= {"complete", "pruned", "None"}, "none failed"
    mount("-o", "remount,size=60m", str(small_disk))
    run(module_folder, "sweep", *data, *where, "--json")
    after = outcomes(workspace)
    assert [len(after[study]) for study in ("search", "control", "confirm")] == [1, 1, 3]
    assert {outcome for study in after.values() for outcome in study} <= {"complete", "pruned"}
    for study, own in before.items():
        assert all(now == then for now, then in zip(after[study], own, strict=False) if then != "None"), "untouched"
