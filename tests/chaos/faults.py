"""Faults of a sweep: of its processes while it runs, and of its files after it was killed."""

import os
import random
import signal
from collections.abc import Callable
from pathlib import Path

import psutil

from tests.chaos.world import World

Fault = Callable[[World, random.Random], str | None]
"""Cause a fault and return its description; None if nothing could be disturbed."""


def kill_driver(world: World, chance: random.Random) -> str | None:
    world.driver.kill()
    return "kill -9 of the driver"


def terminate_driver(world: World, chance: random.Random) -> str | None:
    world.driver.terminate()
    return "SIGTERM to the driver"


def interrupt_driver(world: World, chance: random.Random) -> str | None:
    os.kill(world.driver.pid, signal.SIGINT)
    return "SIGINT to the driver"


def kill_worker(world: World, chance: random.Random) -> str | None:
    return _signal(world.workers(), signal.SIGKILL, chance, "kill -9 of a worker")


def freeze_worker(world: World, chance: random.Random) -> str | None:
    return _signal(world.workers(), signal.SIGSTOP, chance, "a worker stopped for good")


def kill_head(world: World, chance: random.Random) -> str | None:
    return _signal(world.ray_processes("gcs_server"), signal.SIGKILL, chance, "kill -9 of Ray's head (GCS)")


def kill_node(world: World, chance: random.Random) -> str | None:
    return _signal(world.ray_processes("raylet"), signal.SIGKILL, chance, "kill -9 of the node (raylet)")


def kill_uploader(world: World, chance: random.Random) -> str | None:
    return _signal(world.uploaders(), signal.SIGKILL, chance, "kill -9 of the uploader")


def stop_server(world: World, chance: random.Random) -> str | None:
    if world.server.process is None:
        return None
    world.server.stop()
    return "kill -9 of the MLflow server"


def start_server(world: World, chance: random.Random) -> str | None:
    if world.server.process is not None:
        return None
    world.server.start()
    return "the MLflow server is back"


WHILE_IT_RUNS: dict[Fault, int] = {
    kill_driver: 4,
    terminate_driver: 1,
    interrupt_driver: 1,
    kill_worker: 4,
    freeze_worker: 1,
    kill_head: 1,
    kill_node: 1,
    kill_uploader: 2,
    stop_server: 3,
    start_server: 2,
}
"""Faults and how often they are drawn."""

ENDS_THE_DRIVER = {kill_driver, terminate_driver, interrupt_driver, kill_head, kill_node}


def tear_journal(world: World, chance: random.Random) -> str | None:
    return _tear(world.workspace.ledger, chance, "the ledger's last line torn")


def tear_spool(world: World, chance: random.Random) -> str | None:
    return _tear(world.workspace.spool / "events.jsonl", chance, "the spool's last line torn")


def spoil_spool(world: World, chance: random.Random) -> str | None:
    path = world.workspace.spool / "events.jsonl"
    return _spoil_end(path, chance, "a byte of the spool's last line changed")


def spoil_journal(world: World, chance: random.Random) -> str | None:
    return _spoil_end(world.workspace.ledger, chance, "a byte of the ledger's last line changed")


def spoil_checkpoint(world: World, chance: random.Random) -> str | None:
    files = [path for key in world.unfinished() for path in (world.workspace.trials / key).glob("last-*.safetensors")]
    if not files:
        return None
    path = chance.choice(sorted(files))
    content = bytearray(path.read_bytes())
    content[chance.randrange(len(content))] ^= 0xFF
    path.write_bytes(content)
    return f"a byte of {path.parent.name}'s last checkpoint changed"


def tear_history(world: World, chance: random.Random) -> str | None:
    histories = [world.workspace.trials / key / "epochs.jsonl" for key in world.unfinished()]
    files = [path for path in histories if path.is_file()]
    return _tear(chance.choice(files), chance, "a history's last line torn") if files else None


ON_DISK: tuple[Fault, ...] = (
    tear_journal,
    tear_spool,
    spoil_spool,
    spoil_journal,
    spoil_checkpoint,
    tear_history,
)


def _signal(processes: list[psutil.Process], number: int, chance: random.Random, what: str) -> str | None:
    for process in chance.sample(processes, len(processes)):
        try:
            process.send_signal(number)
        except psutil.NoSuchProcess:
            continue
        return what
    return None


def _tear(path: Path, chance: random.Random, what: str) -> str | None:
    if not path.is_file() or path.stat().st_size < 2:
        return None
    content = path.read_bytes()
    last = content[content.rfind(b"\n", 0, len(content) - 1) + 1 :]
    os.truncate(path, len(content) - chance.randint(1, max(1, len(last) - 1)))
    return what


def _spoil_end(path: Path, chance: random.Random, what: str) -> str | None:
    if not path.is_file() or path.stat().st_size < 2:
        return None
    content = bytearray(path.read_bytes())
    start = content.rfind(b"\n", 0, len(content) - 1) + 1
    content[chance.randrange(start, len(content) - 1)] ^= 0x01
    path.write_bytes(content)
    return what
