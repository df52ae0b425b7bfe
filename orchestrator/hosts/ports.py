"""Ports of this host that nobody has."""

from __future__ import annotations

import socket

from orchestrator.errors import InputError

_USUAL = 6379


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
