"""Runners of the project's commands: in a process of their own, as users start them, or in the tests' process."""

import contextlib
import subprocess
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import pytest
import typer
from typer.testing import CliRunner

TIMEOUT = 540.0
"""Seconds that a command may take."""


class Completed(NamedTuple):
    """Exit code and output of a command that ended."""

    code: int
    out: str
    err: str


def start(
    folder: Path, command: str, *arguments: object, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    """Start `python -m orchestrator.COMMAND` in `folder`; its outputs are pipes.

    Args:
        folder: the working folder.
        command: name of the module, as `sweep`.
        arguments: converted to strings.
        environment: all of the variables; those of the tests if not given.
    """
    return subprocess.Popen(
        [sys.executable, "-m", f"orchestrator.{command}", *map(str, arguments)],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )


def run(
    folder: Path, command: str, *arguments: object, code: int = 0, environment: Mapping[str, str] | None = None
) -> Completed:
    """Run a command in a process of its own and return its outputs.

    Raises:
        AssertionError: the exit code is not `code`, or standard error has a traceback.
        subprocess.TimeoutExpired: the command did not end; it is killed.
    """
    process = start(folder, command, *arguments, environment=environment)
    try:
        out, err = process.communicate(timeout=TIMEOUT)
    finally:
        process.kill()
    return _checked(Completed(process.returncode, out, err), code)


def invoke(folder: Path, command: str, *arguments: object, code: int = 0, width: int = 200) -> Completed:
    """Run a command in this process, with `folder` as working folder, and return its outputs.

    It saves the seconds of import that a process of its own costs. The MLflow server that an earlier command chose is
    forgotten before and after.

    Raises:
        AssertionError: the exit code is not `code`, or standard error has a traceback.
    """
    with pytest.MonkeyPatch.context() as patch, contextlib.chdir(folder):
        _forget_mlflow(patch)
        done = CliRunner().invoke(application(command), list(map(str, arguments)), env={"COLUMNS": str(width)})
        _forget_mlflow(patch)
    return _checked(Completed(done.exit_code, done.stdout, done.stderr), code)


def application(command: str) -> typer.Typer:
    module = import_module(f"orchestrator.{command}")
    if hasattr(module, "__path__"):
        module = import_module(f"orchestrator.{command}.__main__")
    application: typer.Typer = getattr(module, command)
    return application


def _forget_mlflow(patch: pytest.MonkeyPatch) -> None:
    """Undo `mlflow.set_tracking_uri`, which sets the environment variable for child processes as well."""
    import mlflow  # here: it takes seconds, which tests of parsing alone need not wait for

    mlflow.set_tracking_uri(None)
    patch.delenv("MLFLOW_TRACKING_URI", raising=False)


def _checked(done: Completed, code: int) -> Completed:
    assert done.code == code, f"exit code {done.code}, not {code}\n{(done.out + done.err)[-4000:]}"
    assert "Traceback" not in done.err, done.err[-4000:]
    return done
