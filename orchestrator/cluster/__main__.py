"""`python -m orchestrator.cluster`: start, join, inspect or stop this host's node of a Ray cluster."""

from __future__ import annotations

import json as json_format
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.core.cli import commands, examples
from orchestrator.core.cli_options import OUTPUT_PANEL, Debug, flag
from orchestrator.core.service_addresses import VARIABLES

if TYPE_CHECKING:
    from orchestrator.cluster.process_registry import StartedNode
    from orchestrator.cluster.start import NodeOptions

_NODE, _RESOURCES, _ACCESS, _PROCESS = "Node", "Resources", "Network and token", "Process"


def _option(help: str, panel: str, default: str | None = None, **limits: Any) -> Any:
    return typer.Option(help=help, rich_help_panel=panel, show_default=default or True, **limits)


Bind = Annotated[
    str | None,
    _option("Address of this host in the cluster; 127.0.0.1 is for this host alone.", _ACCESS, "up --head: 127.0.0.1"),
]
Cpus = Annotated[int | None, _option("CPUs for trials.", _RESOURCES, "all", min=0)]
Gpus = Annotated[int | None, _option("GPUs for trials.", _RESOURCES, "all", min=0)]
Memory = Annotated[str | None, _option("Memory for trials, such as 16GB.", _RESOURCES)]
StoreMemory = Annotated[str | None, _option("Memory for shared features, such as 2GB.", _RESOURCES, "30 %")]
Name = Annotated[str | None, _option("Name of the node, for `down`.", _NODE, "head-PORT or worker-PORT")]
TokenPath = Annotated[
    Path | None,
    typer.Option(
        help="File of the token.",
        rich_help_panel=_ACCESS,
        envvar=VARIABLES["token_path"],
        show_default="the profile's, or this user's",
    ),
]
TempDir = Annotated[Path | None, _option("Folder of Ray's files, with a short path.", _NODE, "a new one")]
SpillDir = Annotated[
    Path | None, _option("Folder for objects that do not fit into the object store.", _RESOURCES, "--temp-dir")
]
Ports = Annotated[str | None, _option("Ports to open in addition to the head's, such as 20000-20999.", _ACCESS, "any")]
Block = Annotated[bool, flag("Wait until the node ends; an interrupt ends it.", _PROCESS, "--block")]


@examples(
    "python -m orchestrator.cluster up --head --bind 10.0.0.1",
    "python -m orchestrator.cluster up --num-cpus 4 --block",
)
def up(
    head: Annotated[bool, flag("Start a cluster; else join the cluster of the profile.", _NODE, "--head")] = False,
    bind: Bind = None,
    port: Annotated[int | None, _option("Port of the head.", _ACCESS, "6379, or a free one", min=1, max=65535)] = None,
    num_cpus: Cpus = None,
    num_gpus: Gpus = None,
    memory: Memory = None,
    object_store_memory: StoreMemory = None,
    name: Name = None,
    token_path: TokenPath = None,
    token: Annotated[bool, _option("Require the token of hosts and users that connect.", _ACCESS)] = True,
    dashboard_bind: Annotated[str | None, _option("Address of Ray's dashboard.", _ACCESS, "no dashboard")] = None,
    temp_dir: TempDir = None,
    spill_dir: SpillDir = None,
    ports: Ports = None,
    block: Block = False,
    debug: Debug = False,
) -> None:
    """Start a node on this host: the head of a cluster with --head, else a worker of the profile's cluster."""
    from orchestrator.cluster.loopback import ADDRESS
    from orchestrator.cluster.start import address_of, start_head
    from orchestrator.core.errors import InputError
    from orchestrator.core.service_addresses import find_setting

    resources = _resources(num_cpus, num_gpus, memory, object_store_memory, spill_dir)
    if not head:
        address = find_setting("address")
        if address is None:
            raise InputError("There is no cluster to join: give --head, set RAY_ADDRESS, or name one in the profile.")
        if port or dashboard_bind or not token:
            raise InputError("--port, --dashboard-bind and --no-token are the head's: give --head.")
        _join(address.value, bind, resources, name, token_path, temp_dir, ports, block)
        return
    start = _start(
        address_of(bind or ADDRESS), None, token, token_path, name, resources, temp_dir, ports, dashboard_bind
    )
    record = start_head(start, port)
    _say_up(record)
    _stay(record, block)


@examples(
    "python -m orchestrator.cluster join 10.0.0.1:6379",
    "python -m orchestrator.cluster join 10.0.0.1:6379 --num-gpus 1 --block",
)
def join(
    address: Annotated[str, typer.Argument(help="The head's HOST:PORT, as `up` printed it.")],
    bind: Bind = None,
    num_cpus: Cpus = None,
    num_gpus: Gpus = None,
    memory: Memory = None,
    object_store_memory: StoreMemory = None,
    name: Name = None,
    token_path: TokenPath = None,
    temp_dir: TempDir = None,
    spill_dir: SpillDir = None,
    ports: Ports = None,
    block: Block = False,
    debug: Debug = False,
) -> None:
    """Join a cluster, so that this host runs its trials; the token comes from a file or RAY_AUTH_TOKEN."""
    resources = _resources(num_cpus, num_gpus, memory, object_store_memory, spill_dir)
    _join(address, bind, resources, name, token_path, temp_dir, ports, block)


@examples("python -m orchestrator.cluster status", "python -m orchestrator.cluster status --json")
def status(
    json: Annotated[bool, flag("Print a JSON list.", OUTPUT_PANEL, "--json")] = False, debug: Debug = False
) -> None:
    """Show the nodes that this host runs, and the hosts of each of their clusters."""
    from orchestrator.cluster.inspect import inspect_cluster
    from orchestrator.cluster.process_registry import records

    found = [(record, inspect_cluster(record.address, token=record.token)) for record in records()]
    if json:
        print(json_format.dumps([{**_as_dict(record), **view.as_dict()} for record, view in found]))
        return
    for record, view in found:
        print(f"{record.name}: {_state(record)}, cluster {record.address}, since {record.since}")
        print("\n".join(f"  {line}" for line in view.lines()))
    if not found:
        print("This host runs no part of a cluster that was started here.")


@examples("python -m orchestrator.cluster down", "python -m orchestrator.cluster down --all")
def down(
    name: Annotated[str | None, typer.Argument(help="Node to end, if there are several.")] = None,
    all: Annotated[bool, flag("End every node that was started here.", _NODE, "--all")] = False,
    debug: Debug = False,
) -> None:
    """End the node that `up` or `join` started on this host, and nothing else."""
    from orchestrator.cluster.process_registry import records
    from orchestrator.cluster.stop import stop_processes
    from orchestrator.core.errors import InputError
    from orchestrator.core.near_matches import unknown_name_message

    found = records()
    if name is not None and name not in {record.name for record in found}:
        told = (
            unknown_name_message("part of a cluster", name, [record.name for record in found])
            if found
            else "Nothing is up."
        )
        raise InputError(told)
    chosen = [record for record in found if name in (None, record.name)]
    if len(chosen) > 1 and not all:
        raise InputError(f"Several are up: name one of {', '.join(one.name for one in chosen)}, or give --all.")
    for record in reversed(chosen):  # workers before the head that they joined
        print(f"{record.name} is down: {stop_processes(record)} processes ended.")
    if not chosen:
        print("Nothing is up.")


def _join(
    address: str,
    bind: str | None,
    resources: dict[str, int | str],
    name: str | None,
    token_path: Path | None,
    temp_dir: Path | None,
    ports: str | None,
    block: bool,
) -> None:
    from orchestrator.cluster.start import address_of, own_address, start_worker

    own = address_of(bind) if bind else own_address(address)
    start = _start(own, address, True, token_path, name, resources, temp_dir, ports, None)
    record = start_worker(start, address)
    print(f"{record.name} is up: this host, {record.bind}, has joined {address}.")
    _stay(record, block)


def _start(
    bind: str,
    joins: str | None,
    token: bool,
    token_path: Path | None,
    name: str | None,
    resources: dict[str, int | str],
    temp_dir: Path | None,
    ports: str | None,
    dashboard: str | None,
) -> NodeOptions:
    import os

    from orchestrator.cluster.auth_token import IN_ENVIRONMENT, auth_disabled, token_file
    from orchestrator.cluster.ports import read_ports
    from orchestrator.cluster.session import SETTINGS
    from orchestrator.cluster.start import NodeOptions

    guarded = token and not auth_disabled()
    return NodeOptions(
        bind=bind,
        token=token_file(token_path, joins) if guarded else None,
        given=token_path is None and bool(os.environ.get(IN_ENVIRONMENT)),
        name=name,
        resources=resources,
        folder=temp_dir.absolute() if temp_dir else None,
        dashboard=dashboard,
        settings=SETTINGS,
        ports=read_ports(ports, int(resources.get("--num-cpus", len(os.sched_getaffinity(0))))) if ports else None,
    )


def _resources(
    cpus: int | None, gpus: int | None, memory: str | None, store_memory: str | None, spill: Path | None
) -> dict[str, int | str]:
    given = {
        "--num-cpus": cpus,
        "--num-gpus": gpus,
        "--memory": _bytes("--memory", memory),
        "--object-store-memory": _bytes("--object-store-memory", store_memory),
        "--object-spilling-directory": str(spill.absolute()) if spill else None,
    }
    return {option: value for option, value in given.items() if value is not None}


def _bytes(option: str, text: str | None) -> int | None:
    from pydantic import ByteSize, TypeAdapter, ValidationError

    from orchestrator.core.errors import InputError

    if text is None:
        return None
    try:
        return int(TypeAdapter(ByteSize).validate_python(text))
    except ValidationError:
        raise InputError(f"{option} {text} is not a size such as 16GB.") from None


def _say_up(record: StartedNode) -> None:
    from orchestrator.cluster.auth_token import IN_ENVIRONMENT, token_file
    from orchestrator.cluster.loopback import is_loopback

    guarded = f"its token is in {record.token}" if record.token else "it asks for no token"
    print(f"{record.name} is up at {record.address}; {guarded}.")
    elsewhere = record.token not in (None, IN_ENVIRONMENT) and Path(str(record.token)) != token_file()
    setting = f"RAY_AUTH_TOKEN_PATH={record.token} " if elsewhere else ""
    if is_loopback(record.bind):
        print("Only this host reaches it: give --bind ADDRESS for one that others can join.")
    else:
        print("Ray listens on every interface of this host; others join, with a copy of the token's file:")
        print(f"  {setting}python -m orchestrator.cluster join {record.address}")
    print(f"Sweeps run there with:\n  {setting}python -m orchestrator.sweep --address {record.address}")


def _stay(record: StartedNode, block: bool) -> None:
    """Wait until the node ends if `block` is set; a signal ends it."""
    import signal

    import psutil

    from orchestrator.cluster.stop import stop_processes
    from orchestrator.core.cli import FAILED

    if not block:
        return

    def interrupt(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    try:
        if root := record.processes[0].alive():
            psutil.Process(root.pid).wait()
        print(f"{record.name} has ended by itself.")
        raise typer.Exit(FAILED)
    except KeyboardInterrupt:
        print(f"{record.name} is asked to end.")
    finally:
        stop_processes(record)


def _state(record: StartedNode) -> str:
    return "running" if record.processes[0].alive() else "gone: it was killed, or the host was restarted"


def _as_dict(record: StartedNode) -> dict[str, Any]:
    return {
        "name": record.name,
        "role": record.role,
        "running": record.processes[0].alive() is not None,
        "address": record.address,
        "bind": record.bind,
        "token_path": record.token,
        "since": record.since,
        "folder": record.folder,
        "pids": [process.pid for process in record.alive()],
    }


cluster = commands(
    *(up, join, status, down),
    about="Start, join, inspect or stop this host's node of a Ray cluster.",
    shown=(
        "python -m orchestrator.cluster up --head --bind 10.0.0.1",
        "python -m orchestrator.cluster join 10.0.0.1:6379",
    ),
)

if __name__ == "__main__":
    cluster()
