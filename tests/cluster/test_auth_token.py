"""Token of a cluster of this process's own if the home folder keeps none."""

import os

import pytest

from orchestrator.cluster import auth_token
from orchestrator.cluster.auth_token import IN_ENVIRONMENT, own_environment, use_own_token


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    monkeypatch.setattr(auth_token, "_reload", lambda: None)
    for name in (IN_ENVIRONMENT, "RAY_AUTH_TOKEN_PATH", "RAY_AUTH_MODE"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_a_home_folder_that_cannot_be_written_needs_no_token_file(environment):
    environment.setenv("HOME", "/proc/none")
    with own_environment():
        use_own_token()
        assert len(os.environ[IN_ENVIRONMENT]) == 64
    assert IN_ENVIRONMENT not in os.environ


@pytest.mark.parametrize("chosen", [{}, {"RAY_AUTH_MODE": "disabled"}, {"RAY_AUTH_TOKEN_PATH": "/proc/none/token"}])
def test_a_token_of_its_own_or_none_is_left_to_ray(environment, tmp_path, chosen):
    environment.setenv("HOME", "/proc/none" if chosen else str(tmp_path))
    for name, value in chosen.items():
        environment.setenv(name, value)
    with own_environment():
        use_own_token()
        assert IN_ENVIRONMENT not in os.environ
