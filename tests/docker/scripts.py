"""Runner of the images' scripts as in a container: this environment's Python first, no user's settings."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DOCKER = Path(__file__).parents[2] / "docker"
SCRIPTS = DOCKER / "scripts"


def environment(**settings: object) -> dict[str, str]:
    path = os.pathsep.join([str(Path(sys.executable).parent), str(SCRIPTS), os.environ["PATH"]])
    return {**os.environ, "PATH": path, **{name: str(value) for name, value in settings.items()}}


def run(script: str, *arguments: object, **settings: object) -> subprocess.CompletedProcess[str]:
    """Run a script to its end."""
    return subprocess.run(
        [SCRIPTS / script, *map(str, arguments)],
        env=environment(**settings),
        capture_output=True,
        text=True,
        timeout=120,
        encoding="utf-8",
    )


@contextmanager
def running(command: list[object], log: Path, **settings: object) -> Iterator[subprocess.Popen[bytes]]:
    """Start a service; it and its children end with the block."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(part) for part in command], env=environment(**settings), stdout=output, stderr=subprocess.STDOUT
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_healthy(process: subprocess.Popen[bytes], role: str, log: Path, seconds: float, **settings: object) -> None:
    """Wait until the health check passes."""
    deadline = time.monotonic() + seconds
    while (answer := run("health.sh", role, **settings)).returncode:
        assert process.poll() is None, log.read_text(encoding="utf-8")
        assert time.monotonic() < deadline, f"{answer.stderr}\n{log.read_text(encoding='utf-8')}"
        time.sleep(0.5)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def tool(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a checker that is installed next to this Python."""
    command = [str(Path(sys.executable).with_name(name)), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, encoding="utf-8")
