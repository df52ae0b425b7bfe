"""Commands on a pseudo-terminal, and what a person would see there."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import NamedTuple

import pyte

from tests.commands import TIMEOUT


class TerminalSession(NamedTuple):
    """A command that ended.

    Attributes:
        code: its exit code.
        out: its standard output, a pipe.
        lines: lines of its standard error, a terminal, at the end: those that have scrolled off, and the screen.
        frames: text of the screen each time the command paused.
    """

    code: int
    out: str
    lines: list[str]
    frames: list[str]


def run_on_terminal(folder: Path, command: str, *arguments: object, columns: int, rows: int) -> TerminalSession:
    """Run `python -m orchestrator.COMMAND` in a process of its own, with standard error on a pseudo-terminal.

    Raises:
        AssertionError: it did not end.
    """
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES", "NO_COLOR"}}
    with (folder / f"{command}.out").open("w+b") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", f"orchestrator.{command}", *map(str, arguments)],
            cwd=folder,
            env={**environment, "TERM": "xterm-256color"},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=follower,
        )
        os.close(follower)
        screen = pyte.HistoryScreen(columns, rows, history=10_000)
        frames = _read(process, leader, screen)
        os.close(leader)
        out.seek(0)
        text = out.read().decode()
    scrolled = ["".join(line[column].data for column in range(columns)) for line in screen.history.top]
    lines = [line.rstrip() for line in (*scrolled, *screen.display)]
    return TerminalSession(process.returncode, text, [line for line in lines if line], frames)


def _read(process: subprocess.Popen[bytes], leader: int, screen: pyte.Screen) -> list[str]:
    """Read a terminal's output until the process has ended; return the screen at each pause."""
    stream, frames = pyte.ByteStream(screen), []
    deadline = time.monotonic() + TIMEOUT
    try:
        while time.monotonic() < deadline:
            if select.select([leader], [], [], 0.05)[0]:
                stream.feed(os.read(leader, 65536))
            elif process.poll() is None:
                frames.append("\n".join(line.rstrip() for line in screen.display))
            else:
                break
    except OSError:  # no process has the terminal open any longer
        process.wait(timeout=60)
    finally:
        process.kill()
    assert process.wait(timeout=60) is not None and time.monotonic() < deadline, "\n".join(screen.display)
    return frames
