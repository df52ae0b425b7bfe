"""Loopback, which Ray avoids: it takes 127.0.0.1 for the host's outer address and then listens on every interface.

So a node on loopback gets its address from Ray's start hook, after that substitution; and whoever connects to it names
it in a form that Ray does not know to be loopback.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

ADDRESS = "127.0.0.1"
HOOK = f"{__name__}.on_start"
"""For RAY_START_HOOK."""

_MAPPED = f"[::ffff:{ADDRESS}]"


def on_start(parameters: Any, head: bool) -> None:
    """Called by `ray start` with what it is about to start."""
    parameters.node_ip_address = ADDRESS


@contextmanager
def keep_loopback_address() -> Iterator[None]:
    """Inside, `ray.init` starts a cluster on the address that it is told, on loopback too; it has no hook for that."""
    from ray._private import services

    before = services.resolve_ip_for_localhost
    services.resolve_ip_for_localhost = lambda host: host
    try:
        yield
    finally:
        services.resolve_ip_for_localhost = before


def is_loopback(host: str) -> bool:
    """Whether only this host can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def for_ray(address: str) -> str:
    """An address as Ray may be given it; only one on loopback differs."""
    host, port = split(address)
    return f"{_MAPPED}:{port}" if port and is_loopback(host) else address


def split(address: str) -> tuple[str, int | None]:
    """Host and port of `HOST:PORT`, without brackets; no port where the address has none."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdigit():
        return address, None
    return host.strip("[]"), int(port)


def refused(address: str, seconds: float = 5) -> OSError | None:
    """Why nobody can be reached at `HOST:PORT`; None where somebody listens."""
    host, port = split(address)
    try:
        socket.create_connection((host, port or 0), timeout=seconds).close()
    except OSError as error:
        return error
    return None
