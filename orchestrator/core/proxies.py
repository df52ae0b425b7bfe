"""Proxies named in the environment: addresses of this machine bypass them."""

from __future__ import annotations

import os

LOOPBACK = ("127.0.0.1", "localhost", "::1")

_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "grpc_proxy")
_EXCEPTIONS = ("no_proxy", "NO_PROXY")


def bypass_proxies_on_loopback() -> None:
    """Add this machine to the hosts that are reached without a proxy, if the environment names a proxy.

    Ray, MLflow's client and every child process inherit it.
    """
    if not any(os.environ.get(name) or os.environ.get(name.upper()) for name in _PROXIES):
        return
    given = next((os.environ[name] for name in _EXCEPTIONS if os.environ.get(name)), "")
    hosts = [host.strip() for host in given.split(",") if host.strip()]
    if "*" in hosts:
        return
    for name in _EXCEPTIONS:
        os.environ[name] = ",".join([*hosts, *(host for host in LOOPBACK if host not in hosts)])
