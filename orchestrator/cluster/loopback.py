"""Loopback clusters: Ray takes 127.0.0.1 for the host's outer address and then listens on every interface.

A node on loopback therefore receives its address from Ray's start hook, after that substitution. A driver connects to
the node by an address in a form that Ray does not recognise as loopback.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

ADDRESS = "127.0.0.1"
HOOK = f"{__name__}.on_start"
"""Value of RAY_START_HOOK."""

_MAPPED = f"[::ffff:{ADDRESS}]"


def on_start(parameters: Any, head: bool) -> None:
    """Set the loopback address; `ray start` calls this hook with its parameters."""
    parameters.node_ip_address = ADDRESS


@contextmanager
def keep_loopback_address() -> Iterator[None]:
    """Make `ray.init` keep a given loopback address inside the block; `ray.init` has no hook for that."""
    from ray._private import services

    before = getattr(services, "resolve_ip_for_localhost", None)
    if before is None:  # another version of Ray: it may listen on another address of this host
        yield
        return
    services.resolve_ip_for_localhost = lambda host: host
    try:
        yield
    finally:
        services.resolve_ip_for_localhost = before


def is_loopback(host: str) -> bool:
    """Return whether only this host can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def for_ray(address: str) -> str:
    """Return an address in the form for Ray; only loopback addresses differ."""
    host, port = split(address)
    return f"{_MAPPED}:{port}" if port and is_loopback(host) else address


def split(address: str) -> tuple[str, int | None]:
    """Return host and port of `HOST:PORT`, without brackets; the port is None if the address has none."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdigit():
        return address, None
    return host.strip("[]"), int(port)


def refused(address: str, seconds: float = 5) -> OSError | None:
    """Return why `HOST:PORT` accepts no connection; None if it does."""
    host, port = split(address)
    try:
        socket.create_connection((host, port or 0), timeout=seconds).close()
    except UnicodeError:  # a label of the name is empty or too long
        return OSError(f"{host[:80]} is not a host name")
    except OSError as error:
        return error
    return None
