"""Commands about a sweep that messages and the report page show, as a user would type them."""

from __future__ import annotations

import shlex
from pathlib import Path


def command(module: str, name: str, out: Path) -> str:
    """Return a command about a sweep.

    Args:
        module: the command below `orchestrator`, with its subcommand if it has any.
        name: of the sweep.
        out: folder of the sweeps' folders; without its option if it is the default.

    Example:
        >>> command("sweeps show", "first", Path("sweeps"))
        'python -m orchestrator.sweeps show first'
        >>> command("resume", "first", Path("my sweeps"))
        "python -m orchestrator.resume first --out 'my sweeps'"
    """
    return f"python -m orchestrator.{module} {shlex.quote(name)}{out_option(out)}"


def out_option(out: Path, flag: str = "--out") -> str:
    """Return the option of a folder of sweeps after a space; nothing if the folder is the default."""
    from orchestrator.core.cli_options import SWEEPS

    return "" if out.absolute() == SWEEPS.absolute() else f" {flag} {shlex.quote(str(out))}"


def resume_command(name: str, out: Path) -> str:
    """Return the command that resumes a sweep."""
    return command("resume", name, out)


def report_command(name: str, out: Path) -> str:
    """Return the command that writes the report page of a sweep again."""
    return command("report", name, out)


def show_command(name: str, out: Path) -> str:
    """Return the command that shows the result of a sweep."""
    return command("sweeps show", name, out)


def resume_lines(name: str, out: Path) -> str:
    """Return the end of a message about a sweep that can be resumed: two lines, the second is the command."""
    return f"Resume with:\n  {resume_command(name, out)}"
