"""Folder of Ray's files: long, missing, read-only and full ones are passed over, or refused if they were chosen."""

from pathlib import Path

import pytest

from orchestrator.cluster import ray_folder as module
from orchestrator.cluster.ray_folder import ray_folder
from orchestrator.core.errors import InputError


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in ("TMPDIR", "RAY_TMPDIR"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.mark.parametrize("long", ["x" * 100, "ü" * 25])
def test_a_folder_that_is_too_long_for_sockets_is_passed_over(environment, tmp_path, long):
    (tmp_path / long).mkdir()
    environment.setenv("TMPDIR", str(tmp_path / long))
    assert ray_folder("ray") == Path("/tmp")


@pytest.mark.parametrize("folder", ["/nowhere/at/all", "/proc", "/dev/null"])
def test_a_folder_that_cannot_be_used_is_passed_over(environment, folder):
    environment.setenv("TMPDIR", folder)
    environment.setattr(module.os, "access", lambda path, mode: path != Path("/proc"))
    assert ray_folder("ray") == Path("/tmp")


def test_a_full_folder_is_passed_over(environment):
    environment.setenv("TMPDIR", "/var")
    environment.setattr(module, "free_bytes", lambda folder: 10**6 if folder == Path("/var") else 10**9)
    assert ray_folder("ray") == Path("/tmp")


@pytest.mark.parametrize("folder", ["/tmp", "/var/tmp"])
def test_a_short_folder_is_used(environment, folder):
    environment.setenv("TMPDIR", folder)
    assert ray_folder("ray") == Path(folder)
    environment.setenv("RAY_TMPDIR", "/var")
    assert ray_folder("ray") == Path("/var")


def test_a_chosen_folder_is_refused_with_the_reason(environment, tmp_path):
    (tmp_path / ("x" * 90)).mkdir()
    environment.setenv("RAY_TMPDIR", str(tmp_path / ("x" * 90)))
    with pytest.raises(InputError, match="RAY_TMPDIR: .* is too long for Ray's sockets .* such as /tmp"):
        ray_folder("ray")


def test_without_any_folder_the_sentence_says_what_to_set(environment):
    environment.setattr(module, "free_bytes", lambda folder: 10**6)
    with pytest.raises(InputError, match="/tmp has 1.0 MB free, and Ray needs 50.0 MB. Set RAY_TMPDIR"):
        ray_folder("ray")
