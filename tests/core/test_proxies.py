"""Addresses of this machine are reached without the environment's proxy."""

import os

import pytest

from orchestrator.core.proxies import bypass_proxies_on_loopback


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "grpc_proxy", "no_proxy"):
        for variable in (name, name.upper()):
            monkeypatch.setenv(variable, "x")  # so that what the function sets is undone as well
            monkeypatch.delenv(variable)
    return monkeypatch


def test_without_a_proxy_nothing_is_set():
    bypass_proxies_on_loopback()
    assert "no_proxy" not in os.environ and "NO_PROXY" not in os.environ


@pytest.mark.parametrize("variable", ["http_proxy", "HTTPS_PROXY", "ALL_PROXY", "grpc_proxy"])
def test_this_machine_bypasses_a_proxy(environment, variable):
    import requests

    environment.setenv(variable, "http://127.0.0.1:9")
    bypass_proxies_on_loopback()
    for host in ("http://127.0.0.1:5000", "http://localhost:5000"):
        assert requests.utils.get_environ_proxies(host) == {}
    if variable != "grpc_proxy":
        assert requests.utils.get_environ_proxies("https://example.org")


def test_given_exceptions_are_kept(environment):
    environment.setenv("http_proxy", "http://proxy")
    environment.setenv("NO_PROXY", ".example.org, localhost")
    bypass_proxies_on_loopback()
    assert os.environ["no_proxy"] == os.environ["NO_PROXY"] == ".example.org,localhost,127.0.0.1,::1"
    environment.setenv("no_proxy", "*")
    environment.delenv("NO_PROXY")
    bypass_proxies_on_loopback()
    assert os.environ["no_proxy"] == "*"
