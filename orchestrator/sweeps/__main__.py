"""`python -m orchestrator.sweeps`: list, show, watch, open, steer, export, archive, restore or delete sweeps."""

from __future__ import annotations

import json as json_format
from pathlib import Path
from typing import Annotated, Any

import typer

from orchestrator.core.cli import INTERRUPTED, CommandGroup, commands, examples
from orchestrator.core.cli_options import OUTPUT_PANEL, SWEEPS, Debug, Json, Out, Sweep, flag
from orchestrator.sweeps.steer_commands import enqueue, pause, unpause

_ARCHIVE, _DELETION, _EXPORT, _OPENING = "Archive", "Deletion", "Export", "Page"


class _ListOrShow(CommandGroup):
    """Subcommands with a default: `list` without arguments, `show` if the first argument names no subcommand."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the default subcommand in front of the arguments if they name none."""
        if not {"--help", *self.commands} & set(args[:1]):
            named = bool(args) and not args[0].startswith("-")
            args = ["show" if named else "list", *args]
        return super().parse_args(ctx, args)


@examples("python -m orchestrator.sweeps list", "python -m orchestrator.sweeps list --json")
def list_(
    out: Out = SWEEPS,
    json: Annotated[bool, flag("Print a JSON list.", OUTPUT_PANEL, "--json")] = False,
    debug: Debug = False,
) -> None:
    """List all sweeps, archived ones included, newest last."""
    import sys

    from orchestrator.core.console import make_console
    from orchestrator.sweeps.listing import print_list
    from orchestrator.sweeps.sweep_status import standings

    if json:
        print(json_format.dumps([one.as_dict() for one in standings(out)]))
    else:
        print_list(out, make_console(sys.stdout))


@examples("python -m orchestrator.sweeps SWEEP", "python -m orchestrator.sweeps show SWEEP --json")
def show(sweep: Sweep, out: Out = SWEEPS, json: Json = False, debug: Debug = False) -> None:
    """Show the result of a sweep, or its progress and the command that resumes it."""
    import sys

    from orchestrator.core.console import make_console
    from orchestrator.core.sweep_folder import find_sweep
    from orchestrator.sweeps.listing import print_sweep, sweep_json

    workspace = find_sweep(sweep, out)
    if json:
        print(json_format.dumps(sweep_json(workspace), allow_nan=False))
        return
    print_sweep(workspace, make_console(sys.stdout))


@examples("python -m orchestrator.sweeps best SWEEP", "python -m orchestrator.sweeps best SWEEP --json")
def best(sweep: Sweep, out: Out = SWEEPS, json: Json = False, debug: Debug = False) -> None:
    """Show the best configuration of a running or finished sweep, and how to use it again."""
    import sys

    from orchestrator.core.console import make_console
    from orchestrator.core.sweep_folder import find_sweep
    from orchestrator.sweeps.best import best_configurations, print_best

    workspace = find_sweep(sweep, out)
    found = best_configurations(workspace)
    if json:
        print(json_format.dumps(found, allow_nan=False))
    else:
        print_best(make_console(sys.stdout), workspace, found)


@examples("python -m orchestrator.sweeps watch SWEEP", "python -m orchestrator.sweeps watch SWEEP --json")
def watch(
    sweep: Sweep,
    out: Out = SWEEPS,
    json: Annotated[bool, flag("Print each snapshot as a line of JSON.", OUTPUT_PANEL, "--json")] = False,
    debug: Debug = False,
) -> None:
    """Watch a running sweep from another terminal, until it ends; Ctrl-C ends the view only."""
    import sys

    from orchestrator.core.console import make_console
    from orchestrator.core.sweep_folder import find_sweep
    from orchestrator.sweeps.watch import watch_sweep

    console = make_console(sys.stdout)
    try:
        watch_sweep(find_sweep(sweep, out), console, as_json=json)
    except KeyboardInterrupt:
        print("The view has ended; the sweep continues.", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None


@examples("python -m orchestrator.sweeps open SWEEP", "python -m orchestrator.sweeps open SWEEP --mlflow --print")
def open_(
    sweep: Sweep,
    mlflow: Annotated[bool, flag("Open its runs in MLflow instead.", _OPENING, "--mlflow")] = False,
    print_: Annotated[bool, flag("Print the address and open nothing.", _OPENING, "--print")] = False,
    out: Out = SWEEPS,
    debug: Debug = False,
) -> None:
    """Open the report page of a sweep in the browser, and print its address."""
    from orchestrator.core.sweep_folder import find_sweep
    from orchestrator.sweeps.open_report import mlflow_address, open_address, report_address

    workspace = find_sweep(sweep, out)
    address = mlflow_address(workspace) if mlflow else report_address(workspace)
    print(address)
    if not print_ and not open_address(address):
        print("No browser was found: open the address yourself.")


@examples(
    "python -m orchestrator.sweeps export SWEEP",
    "python -m orchestrator.sweeps export SWEEP --to sweep.tar.gz",
)
def export(
    sweep: Sweep,
    to: Annotated[
        Path | None,
        typer.Option(help="New .zip, .tar.gz or folder.", rich_help_panel=_EXPORT, show_default="NAME.zip"),
    ] = None,
    out: Out = SWEEPS,
    debug: Debug = False,
) -> None:
    """Write settings, ledger, report and best model of a sweep into one file or folder."""
    from orchestrator.core.sweep_folder import find_sweep
    from orchestrator.sweeps.export import export_sweep

    workspace = find_sweep(sweep, out)
    print(f"Exported to {export_sweep(workspace, to or Path(f'{workspace.name}.zip'))}")


@examples("python -m orchestrator.sweeps archive SWEEP", "python -m orchestrator.sweeps archive SWEEP --force")
def archive(
    sweep: Sweep,
    force: Annotated[bool, flag("Archive it although events for MLflow are unsent.", _ARCHIVE)] = False,
    out: Out = SWEEPS,
    debug: Debug = False,
) -> None:
    """Compress a sweep's folder into the archive and remove it."""
    from orchestrator.core.sweep_folder import find_sweep
    from orchestrator.sweeps.archive import archive_sweep

    workspace = find_sweep(sweep, out)
    print(f"Archived as {archive_sweep(workspace, force)}")
    print(f"Bring it back with: python -m orchestrator.sweeps restore {workspace.name}")


@examples(
    "python -m orchestrator.sweeps restore SWEEP",
    "python -m orchestrator.sweeps restore SWEEP --out /data/sweeps",
)
def restore(
    sweep: Annotated[str, typer.Argument(help="Name of the archived sweep.")], out: Out = SWEEPS, debug: Debug = False
) -> None:
    """Bring an archived sweep back to its folder."""
    from orchestrator.sweeps.archive import restore_sweep

    print(f"Restored to {restore_sweep(sweep, out).root}")


@examples("python -m orchestrator.sweeps gc SWEEP", "python -m orchestrator.sweeps gc SWEEP --out /data/sweeps")
def gc(sweep: Sweep, out: Out = SWEEPS, debug: Debug = False) -> None:
    """Remove the checkpoints that the sweep's --keep and --keep-bytes do not keep, and files set aside."""
    from orchestrator.core.disk_space import format_bytes
    from orchestrator.core.sweep_folder import find_sweep, lock_sweep
    from orchestrator.execution.checkpoint_gc import collect_garbage

    workspace = find_sweep(sweep, out)
    with lock_sweep(workspace):
        print(f"Freed {format_bytes(collect_garbage(workspace))}")


@examples(
    "python -m orchestrator.sweeps delete SWEEP",
    "python -m orchestrator.sweeps delete SWEEP --yes --with-mlflow",
)
def delete(
    sweep: Sweep,
    yes: Annotated[bool, flag("Delete it without asking.", _DELETION, "--yes")] = False,
    with_mlflow: Annotated[bool, flag("Delete its runs and models in MLflow as well.", _DELETION)] = False,
    out: Out = SWEEPS,
    debug: Debug = False,
) -> None:
    """Delete a sweep's folder: trials, checkpoints, models, result."""
    from orchestrator.core.errors import InputError
    from orchestrator.core.sweep_folder import find_sweep
    from orchestrator.sweeps.delete import delete_sweep

    workspace = find_sweep(sweep, out)
    if not yes and not typer.confirm(f"Delete {workspace.root} for good?"):
        raise InputError("Nothing was deleted.")
    print(delete_sweep(workspace, with_mlflow))


@examples("python -m orchestrator.sweeps logs SWEEP trial-0003", "python -m orchestrator.sweeps logs SWEEP --follow")
def logs(
    sweep: Sweep,
    run: Annotated[
        str | None, typer.Argument(help="Run, as trial-0003 or 3.", show_default="the sweep's own log")
    ] = None,
    follow: Annotated[bool, flag("Print what is added, until the run or the sweep ends.", OUTPUT_PANEL)] = False,
    lines: Annotated[
        int | None,
        typer.Option(min=0, help="Last lines only.", rich_help_panel=OUTPUT_PANEL, show_default="all"),
    ] = None,
    out: Out = SWEEPS,
    debug: Debug = False,
) -> None:
    """Print what a run printed, its warnings and its traceback; without a run, the log of the sweep."""
    import sys

    from orchestrator.core.sweep_folder import find_sweep
    from orchestrator.sweeps.logs import print_log

    print_log(find_sweep(sweep, out), run, lines, follow, sys.stdout)


sweeps = commands(
    *(list_, show, best, watch, open_, logs, pause, unpause, enqueue, export, archive, restore, delete, gc),
    about="List the sweeps of a folder, or show, watch, open, steer, export, archive, restore or delete one.",
    group=_ListOrShow,
    shown=("python -m orchestrator.sweeps", "python -m orchestrator.sweeps SWEEP"),
)

if __name__ == "__main__":
    sweeps()
