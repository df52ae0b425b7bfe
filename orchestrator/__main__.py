"""`python -m orchestrator`, installed as `hyperassess`: every command by its name."""

from __future__ import annotations

import ast
import os
import sys
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from orchestrator import __version__
from orchestrator.core.cli import CommandGroup
from orchestrator.core.module_shadowing import ROOT

COMMANDS = {
    "Search": ("sweep", "resume", "reproduce"),
    "Look and steer": ("status", "sweeps", "report", "stop", "sync", "rerun", "compare"),
    "Models": ("promote", "rollback", "score", "export"),
    "Cluster and data": ("doctor", "cluster", "data"),
}
"""Panel of the help → commands, each a module `orchestrator.NAME` with an app of that name."""


class LazyCommands(CommandGroup):
    """Commands whose modules are imported when they are invoked, and not when they are listed."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of the commands, in the order of the help."""
        return [name for names in COMMANDS.values() for name in names]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command with a line of help and nothing to run, and None for an unknown name."""
        for panel, names in COMMANDS.items():
            if cmd_name in names:
                return TyperCommand(cmd_name, help=_summary(cmd_name), rich_help_panel=panel)
        return None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return name, command and other arguments of a command line, the module imported."""
        name, command, rest = super().resolve_command(ctx, args)
        if command is not None and name is not None:
            module = import_module(_module(name))
            command = typer.main.get_command(getattr(module, name))
            command.name = name
        return name, command, rest


def _module(name: str) -> str:
    is_package = (ROOT / "orchestrator" / name).is_dir()
    return f"orchestrator.{name}.__main__" if is_package else f"orchestrator.{name}"


def _summary(name: str) -> str:
    """Return the first line of a command's module, after the call that it begins with."""
    path = ROOT.joinpath(*_module(name).split(".")).with_suffix(".py")
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    line = docstring.partition("\n")[0].partition("`: ")[2]
    return line[:1].upper() + line[1:]


def _print_version(given: bool) -> None:
    if given:
        print(f"hyperassess {__version__}")
        raise typer.Exit


app = typer.Typer(
    cls=LazyCommands,
    pretty_exceptions_enable=False,
    epilog="Examples:\n\nhyperassess sweep --variant text_hyper\n\nhyperassess sweep --help",
)


@app.callback(invoke_without_command=True)
def hyperassess(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Search, confirm and use hypernetworks that score AI-generated images."""
    if context.invoked_subcommand is None:
        print(context.get_help())


def main() -> None:
    """Run the command line of the installed script `hyperassess`."""
    if not sys.flags.safe_path and os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())  # as `python -m orchestrator` has it, for plugins in the working folder
    app(prog_name="hyperassess")


if __name__ == "__main__":
    app()
