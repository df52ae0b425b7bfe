"""Ports of this host that nobody has."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from itertools import islice

from orchestrator.cluster.loopback import ADDRESS
from orchestrator.core.errors import InputError

_USUAL = 6379

_AT_LEAST = 100
"""Ports of a range: Ray's own on a host are fewer than ten, and every worker has one."""

_AT_MOST = 5000
"""Number of worker ports that Ray takes in one argument."""

_OWN = (
    "--node-manager-port",
    "--object-manager-port",
    "--runtime-env-agent-port",
    "--metrics-export-port",
    "--dashboard-agent-grpc-port",
    "--dashboard-agent-listen-port",
)


def read_ports(text: str, cpus: int) -> range:
    """Return the ports of `20000-20999`, both ends included.

    Args:
        text: the option's value.
        cpus: of the host; each may have two workers.

    Raises:
        InputError: the range is malformed or too small.
    """
    low, _, high = text.partition("-")
    if not (low.isdecimal() and high.isdecimal() and 1024 <= int(low) <= int(high) <= 65535):
        raise InputError(f"--ports {text} is not a range of ports from 1024 to 65535: 20000-20999 is.")
    ports = range(int(low), int(high) + 1)
    if len(ports) < (needed := max(_AT_LEAST, 2 * cpus)):
        raise InputError(f"--ports {text} is {len(ports)} ports; this host needs {needed}.")
    return ports


def port_options(ports: range | None, more: Sequence[str] = (), head: int = 0) -> list[str]:
    """Return the options of `ray start` for the ports it opens in addition to the head's.

    Args:
        ports: range for all of them; None leaves them to Ray, except the one that two clusters would share.
        more: options that need a port as well.
        head: the head's port, excluded from the range.

    Raises:
        InputError: too many of them are taken.
    """
    if ports is None:
        return [f"{option}={free_port()}" for option in (*more, _OWN[-1])]
    own = (*more, *_OWN)
    workers = min(len(ports), _AT_MOST)
    free = list(islice((p for p in ports if p != head and _taken(ADDRESS, p) is None), len(own) + workers))
    if len(free) < len(own) + workers // 2:
        raise InputError(f"--ports {ports[0]}-{ports[-1]}: too many of them are taken; give another range.")
    options = [f"{option}={port}" for option, port in zip(own, free, strict=False)]
    return [*options, f"--worker-port-list={','.join(map(str, free[len(own) :]))}"]


def choose_port(host: str, given: int | None) -> int:
    """Return the given port; otherwise Ray's usual one or, if taken, a free one.

    Raises:
        InputError: the given port is taken, or `host` is not an address of this host.
    """
    if given is not None:
        if error := _taken(host, given):
            raise InputError(f"Nothing can listen at {host}:{given}: {error.strerror}. Give another --port or --bind.")
        return given
    if error := _taken(host, 0):
        raise InputError(f"--bind {host} is not an address of this host: {error.strerror or error}.")
    return free_port() if _taken(host, _USUAL) else _USUAL


def free_port() -> int:
    """Return a port that is free on every address of this host."""
    with socket.socket() as probe:
        probe.bind(("", 0))
        return int(probe.getsockname()[1])


def _taken(host: str, port: int) -> OSError | None:
    """Return why nothing can listen there; on an outer address Ray listens on all of them."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        for one in {host, *(["", "127.0.0.1"] if port and family == socket.AF_INET else [])}:
            with socket.socket(family) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((one, port))
    except OSError as error:
        return error
    return None
