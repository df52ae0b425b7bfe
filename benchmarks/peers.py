"""Other projects to measure next to this one, each in an environment of its own in the user's cache folder."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from models.cache_folder import cache_dir

_BUILT = "built"
_LAST_LINES = 3


class PeerMissing(Exception):
    """A peer that cannot be installed or run here; the message is the reason."""


class Peer:
    """A running script of a peer, which does its work once for every line that it is sent.

    The script prints a line when it is ready and a line after each work. It imports nothing of this project.

    Args:
        name: of the peer and of its environment.
        requirements: packages, as pip takes them.
        script: file to run in that environment.
        arguments: of the script.

    Raises:
        PeerMissing: the packages cannot be installed, or the script fails.
    """

    def __init__(self, name: str, requirements: Sequence[str], script: Path, arguments: Sequence[str] = ()) -> None:
        self.name = name
        variables = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        self._process = subprocess.Popen(
            [str(environment(name, requirements)), str(script), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=variables,
            text=True,
            encoding="utf-8",
        )
        self._answer()

    def work(self) -> str:
        """Let the script do its work once and return the line that it prints then."""
        assert self._process.stdin
        self._process.stdin.write("work\n")
        self._process.stdin.flush()
        return self._answer()

    def close(self) -> None:
        """End the script."""
        self._process.kill()
        self._process.wait()

    def _answer(self) -> str:
        assert self._process.stdout
        if not (line := self._process.stdout.readline()):
            raise PeerMissing(f"{self.name} ended with {self._process.wait()}: its message is above")
        return line.strip()


def environment(name: str, requirements: Sequence[str]) -> Path:
    """Return the Python of a peer's environment; build it if it is missing.

    Raises:
        PeerMissing: pip cannot install the requirements.
    """
    key = hashlib.sha256("\n".join(requirements).encode()).hexdigest()[:12]
    folder = cache_dir() / "peers" / f"{name}-{key}"
    python = folder / "bin" / "python"
    if (folder / _BUILT).exists():
        return python
    print(f"Install {', '.join(requirements)} into {folder} …", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    commands = [
        [sys.executable, "-m", "venv", str(folder)],
        [str(python), "-m", "pip", "install", "--quiet", *requirements],
    ]
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8")
        if done.returncode:
            shutil.rmtree(folder, ignore_errors=True)
            last = " ".join(" ".join(done.stderr.splitlines()[-_LAST_LINES:]).split())
            raise PeerMissing(f"{name} cannot be installed: {last}")
    (folder / _BUILT).touch()
    return python
