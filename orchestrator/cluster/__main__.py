"""`python -m orchestrator.cluster`: this host's part of a Ray cluster: up, join, status, down."""

from __future__ import annotations

import json as json_format
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.core.cli import commands

if TYPE_CHECKING:
    from orchestrator.cluster.process_registry import StartedNode
    from orchestrator.cluster.start import NodeOptions

Bind = Annotated[
    str | None, typer.Option(help="This host's address in the cluster; up: 127.0.0.1, which nobody else reaches.")
]
Cpus = Annotated[int | None, typer.Option(min=0, help="CPUs to give; else all.")]
Gpus = Annotated[int | None, typer.Option(min=0, help="GPUs to give; else all.")]
Memory = Annotated[str | None, typer.Option(help="Memory to give to trials, such as 16GB.")]
StoreMemory = Annotated[str | None, typer.Option(help="Memory for shared features, such as 2GB; else 30 %.")]
Name = Annotated[str | None, typer.Option(help="What `down` calls it; else head-PORT or worker-PORT.")]
TokenPath = Annotated[
    Path | None, typer.Option(help="File of the token; else RAY_AUTH_TOKEN_PATH, the profile's, or this user's.")
]
TempDir = Annotated[Path | None, typer.Option(help="Folder for Ray's files, with a short path; else a new one.")]
SpillDir = Annotated[Path | None, typer.Option(help="Disk for what the object store has no room for; else --temp-dir.")]
Ports = Annotated[str | None, typer.Option(help="Ports to open beside the head's, such as 20000-20999; else any.")]
Block = Annotated[bool, typer.Option("--block", help="Stay until it ends; an interrupt ends it.")]
Debug = Annotated[bool, typer.Option(help="Show tracebacks.")]


def up(
    head: Annotated[bool, typer.Option("--head", help="Start a cluster; else join that of the profile.")] = False,
    bind: Bind = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Else 6379, or a free one.")] = None,
    num_cpus: Cpus = None,
    num_gpus: Gpus = None,
    memory: Memory = None,
    object_store_memory: StoreMemory = None,
    name: Name = None,
    token_path: TokenPath = None,
    token: Annotated[bool, typer.Option(help="Ask whoever comes for the token.")] = True,
    dashboard_bind: Annotated[str | None, typer.Option(help="Address for Ray's dashboard; else none.")] = None,
    temp_dir: TempDir = None,
    spill_dir: SpillDir = None,
    ports: Ports = None,
    block: Block = False,
    debug: Debug = False,
) -> None:
    """Start this host's part of a cluster: its head with --head, else a worker of the profile's cluster."""
    from orchestrator.cluster.loopback import ADDRESS
    from orchestrator.cluster.start import address_of, start_head
    from orchestrator.core.errors import InputError
    from orchestrator.core.user_profile import find_setting

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
    """Let this host run trials of a cluster; its token comes from a file or RAY_AUTH_TOKEN."""
    resources = _resources(num_cpus, num_gpus, memory, object_store_memory, spill_dir)
    _join(address, bind, resources, name, token_path, temp_dir, ports, block)


def status(
    json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False, debug: Debug = False
) -> None:
    """Show what this host runs, and the hosts of each of its clusters."""
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


def down(
    name: Annotated[str | None, typer.Argument(help="What to end, where there are several.")] = None,
    all: Annotated[bool, typer.Option("--all", help="End all that was started here.")] = False,
    debug: Debug = False,
) -> None:
    """End what `up` or `join` started on this host, and nothing else."""
    from orchestrator.cluster.process_registry import records
    from orchestrator.cluster.stop import stop_processes
    from orchestrator.core.errors import InputError
    from orchestrator.core.lookup import unknown_name_message

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
        raise InputError(f"{option} {text} is no size: 16GB is.") from None


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
    """Where it is asked for, waits for the end; a signal is one."""
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
    return "running" if record.processes[0].alive() else "gone: it was killed, or the host was started anew"


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


cluster = commands(up, join, status, down)

if __name__ == "__main__":
    cluster()
