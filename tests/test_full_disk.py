"""A real sweep on a disk that is too small for it, and on with more room: needs the right to mount a tmpfs."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.core.workspace import Workspace
from orchestrator.search.journal_storage import open_journal
from orchestrator.search.ledger import Ledger
from tests.test_end_to_end import folder, run

pytestmark = pytest.mark.long

__all__ = ["folder"]  # a fixture

SMALL = ["--trials", "1", "--epochs", "2", "--confirm", "1", "--splits", "1"]


def mount(*options: str) -> None:
    subprocess.run(["mount", *options], check=True, capture_output=True)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    try:
        mount("-t", "tmpfs", "-o", "size=1500k", "tmpfs", str(tmp_path))
    except (subprocess.CalledProcessError, FileNotFoundError):
        pytest.skip("NOT TESTED: a sweep on a full disk needs the right to mount a tmpfs")
    yield tmp_path
    subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


def test_it_stops_cleanly_and_goes_on_when_there_is_room(folder: Path, small: Path) -> None:
    where = ["--out", str(small), "--name", "full", "--keep", "all", "--min-free", "0"]
    code, _, err = run(folder, *SMALL, *where, "--json")
    assert code == 1 and "The disk is full" in err and f"resume full --out {small}" in err, err[-3000:]
    assert "Traceback" not in err
    workspace = Workspace(small / "full")
    assert not workspace.result.exists()
    before = outcomes(workspace)
    assert all(outcome in {"complete", "pruned", "None"} for of in before.values() for outcome in of), "none failed"
    mount("-o", "remount,size=60m", str(small))
    code, _, err = run(folder, *where, "--json")
    assert code == 0, err[-3000:]
    after = outcomes(workspace)
    assert [len(after[study]) for study in ("search", "control", "confirm")] == [1, 1, 3]
    assert all(outcome in {"complete", "pruned"} for of in after.values() for outcome in of)
    for study, own in before.items():
        assert all(now == then for now, then in zip(after[study], own, strict=False) if then != "None"), "untouched"


def outcomes(workspace: Workspace) -> dict[str, list[str]]:
    storage = open_journal(workspace.ledger)
    return {
        study: [str(trial.outcome) for trial in Ledger(storage, study, None).all()]
        for study in ("search", "control", "confirm")
    }
