"""`python -m orchestrator.sweeps`: the sweeps of a folder: list, show, export, archive, restore, delete."""

from __future__ import annotations

import json as json_format
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from orchestrator.core.cli import commands

Sweep = Annotated[str, typer.Argument(help="Name, id or folder of the sweep.")]
Out = Annotated[Path, typer.Option(help="Folder that sweeps live in.")]
Debug = Annotated[bool, typer.Option(help="Show tracebacks.")]
HERE = Path("sweeps")


class _ListOrShow(TyperGroup):
    """Without a subcommand's name it lists, or shows the sweep that is named."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not {"--help", *self.commands} & set(args[:1]):
            named = bool(args) and not args[0].startswith("-")
            args = ["show" if named else "list", *args]
        return super().parse_args(ctx, args)


def list_(
    out: Out = HERE,
    json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False,
    debug: Debug = False,
) -> None:
    """List the sweeps, newest last, archived ones included."""
    import sys

    from orchestrator.sweeps.listing import print_list
    from orchestrator.sweeps.start import make_console
    from orchestrator.sweeps.state import standings

    if json:
        print(json_format.dumps([one.as_dict() for one in standings(out)]))
    else:
        print_list(out, make_console(sys.stdout))


def show(sweep: Sweep, out: Out = HERE, debug: Debug = False) -> None:
    """Show the result of a sweep, or how far it is and how to go on."""
    import sys

    from orchestrator.core.spec import load_spec
    from orchestrator.core.workspace import find_sweep
    from orchestrator.sweeps.listing import print_sweep
    from orchestrator.sweeps.resume_hint import resume_command
    from orchestrator.sweeps.start import make_console

    workspace = find_sweep(sweep, out)
    print_sweep(workspace, resume_command(load_spec(workspace.spec), workspace.root.parent), make_console(sys.stdout))


def export(
    sweep: Sweep,
    to: Annotated[
        Path | None, typer.Option(help="A .zip or .tar.gz, or a folder; NAME.zip if not given.", show_default=False)
    ] = None,
    out: Out = HERE,
    debug: Debug = False,
) -> None:
    """Write settings, ledger, report and best model of a sweep into one file or folder."""
    from orchestrator.core.workspace import find_sweep
    from orchestrator.sweeps.export import export_sweep

    workspace = find_sweep(sweep, out)
    print(f"Exported to {export_sweep(workspace, to or Path(f'{workspace.name}.zip'))}")


def archive(
    sweep: Sweep,
    force: Annotated[bool, typer.Option(help="Although MLflow has not been told everything.")] = False,
    out: Out = HERE,
    debug: Debug = False,
) -> None:
    """Compress a sweep's folder into the archive and remove it."""
    from orchestrator.core.workspace import find_sweep
    from orchestrator.sweeps.archive import archive_sweep

    workspace = find_sweep(sweep, out)
    print(f"Archived as {archive_sweep(workspace, force)}")
    print(f"Bring it back with: python -m orchestrator.sweeps restore {workspace.name}")


def restore(
    sweep: Annotated[str, typer.Argument(help="Name of the archived sweep.")], out: Out = HERE, debug: Debug = False
) -> None:
    """Bring an archived sweep back to its folder."""
    from orchestrator.sweeps.archive import restore_sweep

    print(f"Restored to {restore_sweep(sweep, out).root}")


def gc(sweep: Sweep, out: Out = HERE, debug: Debug = False) -> None:
    """Remove the checkpoints that the sweep's --keep and --keep-bytes do not ask for, and what was set aside."""
    from orchestrator.core.disk_space import format_bytes
    from orchestrator.core.workspace import find_sweep, lock_sweep
    from orchestrator.execution.checkpoint_gc import collect_garbage

    workspace = find_sweep(sweep, out)
    with lock_sweep(workspace):
        print(f"Freed {format_bytes(collect_garbage(workspace))}")


def delete(
    sweep: Sweep,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    with_mlflow: Annotated[bool, typer.Option(help="Delete its runs and models in MLflow as well.")] = False,
    out: Out = HERE,
    debug: Debug = False,
) -> None:
    """Delete a sweep's folder: trials, checkpoints, models, result."""
    from orchestrator.core.errors import InputError
    from orchestrator.core.workspace import find_sweep
    from orchestrator.sweeps.delete import delete_sweep

    workspace = find_sweep(sweep, out)
    if not yes and not typer.confirm(f"Delete {workspace.root} for good?"):
        raise InputError("Nothing was deleted.")
    print(delete_sweep(workspace, with_mlflow))


sweeps = commands(list_, show, export, archive, restore, delete, gc, group=_ListOrShow)

if __name__ == "__main__":
    sweeps()
