"""Errors of a command as sentences and exit codes."""

import errno

import pytest
from typer.testing import CliRunner

from orchestrator.core.cli import FAILED, WRONG_INPUT, command


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.EPERM])
def test_a_place_that_cannot_be_used_is_wrong_input(number):
    def fail() -> None:
        raise OSError(number, "Read-only file system", "/home/me/.config")

    done = CliRunner().invoke(command(fail), [])
    assert done.exit_code == WRONG_INPUT
    assert done.stderr == "Error: /home/me/.config cannot be used: read-only file system. Choose another place.\n"


def test_another_error_is_a_failure():
    def fail() -> None:
        raise OSError(errno.EIO, "Input/output error", "/data/ratings.csv")

    done = CliRunner().invoke(command(fail), [])
    assert done.exit_code == FAILED and done.stderr.startswith("Failed: OSError")
