"""A sweep's folder: one holder at a time, and found again by whatever people call it."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.core.errors import InputError
from orchestrator.core.spec import SweepSpec
from orchestrator.core.sweep_folder import Workspace, find_sweep, list_sweeps, lock_sweep

HOLD = """
import sys, time
from pathlib import Path
from orchestrator.core.sweep_folder import Workspace, lock_sweep
with lock_sweep(Workspace(Path(sys.argv[1]))):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path / "sweeps" / "mine")


def holder(workspace):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(workspace.root)], stdout=subprocess.PIPE, text=True, encoding="utf-8"
    )
    assert process.stdout.readline() == "held\n"
    return process


def test_locked_sweep_names_its_owner_and_is_free_after_the_owner_dies(workspace):
    process = holder(workspace)
    try:
        with pytest.raises(InputError) as caught, lock_sweep(workspace):
            pytest.fail("two hold it")
        message = str(caught.value)
        assert "mine is running" in message and socket.gethostname() in message and f"pid {process.pid}" in message
    finally:
        process.kill()
        process.wait()
    assert (workspace.root / ".holder.json").exists(), "it was killed, so nobody tidied up"
    with lock_sweep(workspace):
        assert json.loads((workspace.root / ".holder.json").read_text(encoding="utf-8"))["pid"] == os.getpid()
    assert not (workspace.root / ".holder.json").exists()


def test_lock_is_released_after_an_error(workspace):
    with pytest.raises(ZeroDivisionError), lock_sweep(workspace):
        raise ZeroDivisionError
    with lock_sweep(workspace):
        pass


def test_locked_sweep_without_a_named_owner_is_refused(workspace):
    process = holder(workspace)
    try:
        (workspace.root / ".holder.json").write_text("{", encoding="utf-8")
        with pytest.raises(InputError, match=r"The sweep mine is running\."), lock_sweep(workspace):
            pass
    finally:
        process.kill()
        process.wait()


def make(out, name, **settings):
    spec = SweepSpec(name=name, **settings)
    (out / name).mkdir(parents=True)
    spec.save(out / name / "spec.yaml")
    return spec


def test_find_sweep_by_name_id_and_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "sweeps"
    spec = make(out, "mine")
    make(out, "other")
    for reference in ("mine", spec.id, str(out / "mine"), "sweeps/mine"):
        assert find_sweep(reference, out).root == out / "mine"


def test_find_sweep_lists_near_names_if_unknown(tmp_path):
    make(tmp_path, "text_hyper-shapes")
    make(tmp_path, "image_hyper-agiqa3k")
    with pytest.raises(InputError, match="did you mean text_hyper-shapes"):
        find_sweep("text_hyper-shape", tmp_path)
    with pytest.raises(InputError, match=r"there are image_hyper-agiqa3k, text_hyper-shapes\."):
        find_sweep("qqq", tmp_path)
    with pytest.raises(InputError, match="no sweeps in"):
        find_sweep("mine", tmp_path / "empty")


def test_list_sweeps_is_sorted_by_age(tmp_path):
    for name in ("c", "a", "b"):
        make(tmp_path, name)
    (tmp_path / "no-sweep").mkdir()
    assert [workspace.name for workspace, _ in list_sweeps(tmp_path)] == ["c", "a", "b"]


def test_a_refused_sweep_leaves_no_folder(tmp_path):
    workspace = Workspace(tmp_path / "deep" / "sweeps" / "mine")
    with pytest.raises(InputError, match="refused"), lock_sweep(workspace):
        raise InputError("refused")
    assert list(tmp_path.iterdir()) == []


def test_a_refused_sweep_leaves_the_folder_of_others(tmp_path):
    (tmp_path / "sweeps").mkdir()
    with lock_sweep(Workspace(tmp_path / "sweeps" / "mine")):
        pass
    assert list(tmp_path.iterdir()) == [tmp_path / "sweeps"] and not any((tmp_path / "sweeps").iterdir())


def test_a_started_sweep_keeps_its_folder(tmp_path):
    workspace = Workspace(tmp_path / "sweeps" / "mine")
    with lock_sweep(workspace):
        workspace.spec.write_text("name: mine\n", encoding="utf-8")
    assert workspace.spec.is_file() and not workspace.holder.exists()


@pytest.mark.parametrize("out", ["/proc/sweeps", "/dev/null/sweeps"])
def test_a_folder_that_cannot_be_written_is_refused_with_the_option(out):
    refused = pytest.raises(InputError, match="cannot be written .*: choose another folder with --out")
    with refused, lock_sweep(Workspace(Path(out) / "mine")):
        pass
