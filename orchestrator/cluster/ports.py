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
"""Workers' ports that Ray is told of, in one argument."""

_OWN = (
    "--node-manager-port",
    "--object-manager-port",
    "--runtime-env-agent-port",
    "--metrics-export-port",
    "--dashboard-agent-grpc-port",
    "--dashboard-agent-listen-port",
)


def read_ports(text: str, cpus: int) -> range:
    """The ports of `20000-20999`, both ends included.

    Args:
        text: as it was given.
        cpus: of the host, each of which may have two workers.

    Raises:
        InputError: it is no such range, or too small a one.
    """
    low, _, high = text.partition("-")
    if not (low.isdecimal() and high.isdecimal() and 1024 <= int(low) <= int(high) <= 65535):
        raise InputError(f"--ports {text} is no range of ports from 1024 to 65535: 20000-20999 is.")
    ports = range(int(low), int(high) + 1)
    if len(ports) < (needed := max(_AT_LEAST, 2 * cpus)):
        raise InputError(f"--ports {text} is {len(ports)} ports; this host needs {needed}.")
    return ports


def port_options(ports: range | None, more: Sequence[str] = (), beside: int = 0) -> list[str]:
    """What `ray start` is told of the ports that it opens beside the head's.

    Args:
        ports: that they all come from; None leaves them to Ray, but for the one where two clusters would meet.
        more: options that want a port as well.
        beside: the head's port, which is left out where it is one of them.

    Raises:
        InputError: too many of them are taken.
    """
    if ports is None:
        return [f"{option}={free_port()}" for option in (*more, _OWN[-1])]
    own = (*more, *_OWN)
    workers = min(len(ports), _AT_MOST)
    free = list(islice((p for p in ports if p != beside and _taken(ADDRESS, p) is None), len(own) + workers))
    if len(free) < len(own) + workers // 2:
        raise InputError(f"--ports {ports[0]}-{ports[-1]}: too many of them are taken; give another range.")
    options = [f"{option}={port}" for option, port in zip(own, free, strict=False)]
    return [*options, f"--worker-port-list={','.join(map(str, free[len(own) :]))}"]


def choose_port(host: str, given: int | None) -> int:
    """The port given; else Ray's usual one or, where that is taken, another.

    Raises:
        InputError: the one given is taken, or `host` is no address of this host.
    """
    if given is not None:
        if error := _taken(host, given):
            raise InputError(f"Nothing can listen at {host}:{given}: {error.strerror}. Give another --port or --bind.")
        return given
    if error := _taken(host, 0):
        raise InputError(f"--bind {host} is no address of this host: {error.strerror or error}.")
    return free_port() if _taken(host, _USUAL) else _USUAL


def free_port() -> int:
    """A port that no cluster of this host has, on any of its addresses."""
    with socket.socket() as probe:
        probe.bind(("", 0))
        return int(probe.getsockname()[1])


def _taken(host: str, port: int) -> OSError | None:
    """Why nothing can listen there; on an outer address Ray listens on all of them."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        for one in {host, *(["", "127.0.0.1"] if port and family == socket.AF_INET else [])}:
            with socket.socket(family) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((one, port))
    except OSError as error:
        return error
    return None
