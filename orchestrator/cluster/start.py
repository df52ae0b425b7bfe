"""Start of this host's node: Ray's own `ray start`, with a token, ports and a folder of its own."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

import psutil

from orchestrator.cluster.auth_token import IN_ENVIRONMENT, check_token, ensure_token, token_settings
from orchestrator.cluster.loopback import ADDRESS, HOOK, for_ray, is_loopback, refused, split
from orchestrator.cluster.ports import choose_port, free_port, port_options
from orchestrator.cluster.process_registry import StartedNode, family, log_of, records, snapshot
from orchestrator.cluster.ray_folder import ray_folder
from orchestrator.cluster.stop import stop_processes
from orchestrator.core.errors import InputError

_SECONDS = 90.0
"""Seconds that a busy host may take to start Ray."""

_STARTED = "Ray runtime started."

_PATIENCE = {"RAY_health_check_timeout_ms": "5000", "RAY_health_check_failure_threshold": "4"}
"""A host that falls silent is given up after half a minute, in which its trials stand still; Ray's own is a minute."""

_OF_THE_STARTER = {"HYPERASSESS_LEDGER", "MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_USERNAME"}
_PRIVATE = re.compile("PASS|_PWD$|SECRET|TOKEN(?!IZERS)|CREDENTIAL|API_?KEY|_KEY$|SSH_AUTH_SOCK", re.IGNORECASE)
"""Names of environment variables that `ray start`, and so every user's trials, must not inherit.
The store's keys (`AWS_…`), which trials need, and Ray's own settings stay."""


@dataclass(frozen=True)
class NodeOptions:
    """Options of the node to start.

    Attributes:
        bind: this host's own address in the cluster; on loopback no other host reaches it.
        token: file of the token; None for a cluster without a token, which stays on loopback.
        given: whether the environment holds the token itself, so that no file is needed.
        name: name by which it is stopped; made of role and port if None.
        resources: options of `ray start` for the host's resources, such as `--num-cpus`, by name.
        folder: for Ray's files; created if None.
        dashboard: address of Ray's dashboard; None for no dashboard.
        settings: environment variables of Ray that trials need.
        ports: range for all ports except the head's own; None for any.
    """

    bind: str
    token: Path | None
    given: bool = False
    name: str | None = None
    resources: Mapping[str, int | str] = field(default_factory=dict)
    folder: Path | None = None
    dashboard: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    ports: range | None = None

    def check(self) -> None:
        """Raise InputError if other hosts could reach a cluster without a token."""
        for option, host in (("--bind", self.bind), ("--dashboard-bind", self.dashboard)):
            if host and not is_loopback(host) and self.token is None:
                raise InputError(
                    f"{option} {host} lets other hosts in; without a token any of them can run code on the cluster: "
                    f"drop --no-token and RAY_AUTH_MODE=disabled, or bind to {ADDRESS}."
                )
        if self.dashboard and find_spec("aiohttp_cors") is None:
            raise InputError("Ray's dashboard is not installed: pip install 'ray[default]', or no --dashboard-bind.")


def start_head(start: NodeOptions, port: int | None) -> StartedNode:
    """Start the head of a cluster.

    Args:
        start: options of this node.
        port: its port; None for Ray's usual 6379 or, if taken, another.

    Raises:
        InputError: it would be reachable without a token, the port is taken, or Ray does not start.
    """
    start.check()
    if start.token and not start.given:
        ensure_token(start.token)
    chosen = choose_port(start.bind, port)
    try:
        return _start_head(start, chosen)
    except InputError:
        if refused(f"{start.bind}:{chosen}"):
            raise
        # Another process took the port meanwhile: two simultaneous starts get two clusters.
        if port is not None:
            raise InputError(f"Another process has taken port {port} meanwhile: give another --port.") from None
        return _start_head(start, free_port())


def _start_head(start: NodeOptions, chosen: int) -> StartedNode:
    address = f"[{start.bind}]:{chosen}" if ":" in start.bind else f"{start.bind}:{chosen}"
    options = ["--head", f"--port={chosen}", f"--include-dashboard={'true' if start.dashboard else 'false'}"]
    wanted = []
    if start.dashboard:
        options += [f"--dashboard-host={start.dashboard}"]
        wanted += ["--dashboard-port"]
    if find_spec("grpc"):  # Ray then starts a server for its remote client, whose usual port another cluster may have
        wanted += ["--ray-client-server-port"]
    return _start(start, "head", address, [*options, *port_options(start.ports, wanted, chosen)])


def start_worker(start: NodeOptions, address: str) -> StartedNode:
    """Join a cluster as a node that runs trials.

    Raises:
        InputError: the address does not answer, the token is missing, or Ray does not start.
    """
    start.check()
    _host_and_port(address)
    if error := refused(address):
        raise InputError(f"No Ray cluster answers at {address}: {error}.")
    if start.token and not start.given:
        check_token(start.token, address)
    return _start(start, "worker", address, [f"--address={for_ray(address)}", *port_options(start.ports)])


def address_of(bind: str) -> str:
    """Return an address of this host in the form for Ray: a number, and on loopback always the same one.

    Raises:
        InputError: the name is unknown, or the address stands for every address.
    """
    if is_loopback(bind):
        return ADDRESS
    try:
        found = str(socket.getaddrinfo(bind, None, type=socket.SOCK_STREAM)[0][4][0])
    except OSError as error:
        raise InputError(f"--bind {bind} is not an address: {error.strerror or error}.") from error
    if found in {"0.0.0.0", "::"}:
        raise InputError(f"--bind {bind} is every address: give the one by which other hosts reach this one.")
    return ADDRESS if is_loopback(found) else found


def own_address(head: str) -> str:
    """Return the address of this host as the head's host sees it."""
    host, port = _host_and_port(head)
    if is_loopback(host):
        return ADDRESS
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0][0]
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((host, port))  # sends nothing
            return str(probe.getsockname()[0])
    except OSError as error:
        raise InputError(f"There is no way from here to {head}: {error}.") from error


def _host_and_port(address: str) -> tuple[str, int]:
    host, port = split(address)
    if port is None:
        raise InputError(f"{address} is not an address of a cluster: HOST:PORT is, as `up` printed it.")
    return host, port


def _start(start: NodeOptions, role: str, address: str, options: list[str]) -> StartedNode:
    name = _free_name(start.name, f"{role}-{split(address)[1]}")
    folder = start.folder or Path(tempfile.mkdtemp(prefix="hyperassess-", dir=ray_folder("hyperassess-12345678")))
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if spill := start.resources.get("--object-spilling-directory"):
        Path(str(spill)).mkdir(parents=True, exist_ok=True, mode=0o700)
    arguments = [
        *(sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--disable-usage-stats"),
        *options,
        f"--node-ip-address={start.bind}",
        f"--temp-dir={folder}",
        "--log-style=record",
        "--log-color=false",
        *(f"{option}={value}" for option, value in start.resources.items()),
    ]
    log = log_of(name)
    log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with log.open("w", encoding="utf-8") as output:
        child = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=_environment(start),
            start_new_session=True,
        )
    root = psutil.Process(child.pid)
    record = StartedNode(
        name=name,
        role=role,
        address=address,
        bind=start.bind,
        token=IN_ENVIRONMENT if start.token and start.given else str(start.token) if start.token else None,
        folder=str(folder),
        made=start.folder is None,
        since=datetime.now(UTC).isoformat(timespec="seconds"),
        processes=snapshot([root]),
    )
    try:
        record.save()  # before it has started: an interrupted start can be ended too
        _wait(child, log, address, start.token)
    except BaseException:
        stop_processes(record)
        raise
    record = StartedNode(**{**record.__dict__, "processes": snapshot(family(root))})
    record.save()
    return record


def _wait(child: subprocess.Popen[bytes], log: Path, address: str, token: Path | None) -> None:
    deadline = time.monotonic() + _SECONDS
    while _STARTED not in (said := log.read_text(errors="replace", encoding="utf-8")):
        if child.poll() is not None:
            if "InvalidAuthToken" in said:
                raise InputError(f"{address} does not take the token in {token}: copy that of the head's host.")
            raise InputError(f"Ray did not start at {address}: {_last_word(said)} ({log} has the rest).")
        if time.monotonic() > deadline:
            why = _last_word(said)
            raise InputError(f"Ray did not start at {address} within {_SECONDS:.0f} seconds: {why} ({log}).")
        time.sleep(0.2)


def _last_word(said: str) -> str:
    """Return the line of Ray's output that best explains why it did not start."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    telling = [line for line in lines if re.search(r"Error|ERR|[Uu]nauthenticated|[Ii]nvalid|Failed", line)]
    return (telling or lines or ["it said nothing"])[-1][:300]


def _environment(start: NodeOptions) -> dict[str, str]:
    here = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(("AWS_", "RAY_")) or not (_PRIVATE.search(name) or name in _OF_THE_STARTER)
    }
    environment = {**_PATIENCE, **start.settings, **here, **token_settings(start.token)}
    environment["RAY_USAGE_STATS_ENABLED"] = "0"
    environment.pop("RAY_ADDRESS", None)
    environment.pop("RAY_START_HOOK", None)
    if not start.given:
        environment.pop(IN_ENVIRONMENT, None)
    if is_loopback(start.bind):
        environment["RAY_START_HOOK"] = HOOK
    return environment


def _free_name(given: str | None, made: str) -> str:
    taken = {one.name for one in records() if one.alive()}
    if given in taken:
        raise InputError(f"{given} is up already: end it with `python -m orchestrator.cluster down {given}`.")
    number, name = 1, given or made
    while name in taken:
        number += 1
        name = f"{made}-{number}"
    return name
