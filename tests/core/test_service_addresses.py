"""Precedence of a setting: flag, environment, profile."""

import os
from pathlib import Path

import pytest

from orchestrator.cluster.process_registry import cluster_address
from orchestrator.core.errors import InputError
from orchestrator.core.service_addresses import config_folder, find_setting
from orchestrator.core.spec import SweepSpec, sources, with_defaults
from orchestrator.tracking.destination import resolve_tracking_uri


@pytest.fixture
def profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    file = config_folder() / "profile.toml"
    file.parent.mkdir()
    file.write_text(
        'tracking_uri = "http://all:5000"\n[team]\naddress = "head:6379"\nledger = "sqlite:////l.db"\n',
        encoding="utf-8",
    )
    return file


def test_flag_comes_before_the_environment_and_the_environment_before_the_profile(profile, monkeypatch):
    assert find_setting("tracking_uri").value == "http://all:5000"
    assert find_setting("address") is None  # the team's, which is not chosen
    monkeypatch.setenv("HYPERASSESS_PROFILE", "team")
    assert cluster_address(None) == "head:6379" and resolve_tracking_uri(None) == "http://all:5000"
    assert with_defaults(SweepSpec(name="a")).ledger == "sqlite:////l.db"
    monkeypatch.setenv("RAY_ADDRESS", "other:6379")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://environment")
    monkeypatch.setenv("HYPERASSESS_LEDGER", "sqlite:////m.db")
    assert cluster_address(None) == "other:6379" and resolve_tracking_uri(None) == "http://environment"
    assert with_defaults(SweepSpec(name="a")).ledger == "sqlite:////m.db"
    assert cluster_address("mine:1") == "mine:1" and resolve_tracking_uri("http://mine") == "http://mine"
    assert cluster_address("local") is None


def test_sources_report_settings_of_environment_and_profile(profile, monkeypatch):
    monkeypatch.setenv("HYPERASSESS_PROFILE", "team")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://environment")
    spec = with_defaults(SweepSpec(name="a"))
    where = f"(the profile team in {profile})"
    told = [f"Ray cluster: head:6379 {where}", "MLflow: http://environment (MLFLOW_TRACKING_URI)"]
    assert sources(spec, resumed=False) == [*told, f"Ledger: sqlite:////l.db {where}"]
    assert sources(spec, resumed=True) == told[:1]
    given = SweepSpec(name="a", address="mine:1", tracking_uri="http://mine")
    assert sources(given, resumed=False) == []


def test_variable_chooses_another_profile_or_none(profile, tmp_path, monkeypatch):
    other = tmp_path / "other.toml"
    other.write_text('address = "there:1"\n', encoding="utf-8")
    monkeypatch.setenv("HYPERASSESS_PROFILE", str(other))
    assert cluster_address(None) == "there:1" and find_setting("tracking_uri") is None
    monkeypatch.setenv("HYPERASSESS_PROFILE", "")
    assert cluster_address(None) is None and find_setting("tracking_uri") is None


def test_profile_with_a_password_must_be_private(profile, monkeypatch):
    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.setenv(name, "")  # so that what is set is undone
        monkeypatch.delenv(name)
    profile.write_text('tracking_uri = "http://me:hunter2@all:5000"\n', encoding="utf-8")
    profile.chmod(0o644)
    with pytest.raises(InputError, match=f"chmod 600 {profile}"):
        resolve_tracking_uri(None)
    profile.chmod(0o600)
    assert resolve_tracking_uri(None) == "http://all:5000" and os.environ["MLFLOW_TRACKING_PASSWORD"] == "hunter2"
    assert sources(SweepSpec(name="a"), resumed=False) == [f"MLflow: http://all:5000 (the profile {profile})"]


@pytest.mark.parametrize(
    "text, choice, told",
    [
        ('adress = "a:1"', None, "did you mean address"),
        ("address = 3", None, "address is not a text"),
        ("address = ", None, "cannot be read"),
        ('[team]\naddress = "a:1"', "taem", "did you mean team"),
        ('address = "a:1"', "/absent/profile.toml", "cannot be read"),
    ],
)
def test_wrong_profile_is_refused_in_one_sentence(profile, monkeypatch, text, choice, told):
    profile.write_text(text, encoding="utf-8")
    if choice:
        monkeypatch.setenv("HYPERASSESS_PROFILE", choice)
    with pytest.raises(InputError, match=told):
        find_setting("address")
