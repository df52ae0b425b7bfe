"""`python -m orchestrator.sweeps`: the sweeps of a folder, and the result of one."""

from __future__ import annotations

import json as json_format
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.door import command

if TYPE_CHECKING:
    from rich.console import Console


@command
def sweeps(
    sweep: Annotated[str | None, typer.Argument(help="Id, name or folder of one to show.")] = None,
    out: Annotated[Path, typer.Option(help="Folder that sweeps live in.")] = Path("sweeps"),
    debug: Annotated[bool, typer.Option(help="Show tracebacks.")] = False,
) -> None:
    """List the sweeps, newest last, or show the result of one."""
    from rich.console import Console

    from orchestrator.workspace import find_sweep

    console = Console()
    if sweep is None:
        _list(out, console)
        return
    workspace = find_sweep(sweep, out)
    if workspace.result.is_file():
        console.print((workspace.report / "result.md").read_text(), soft_wrap=True, highlight=False, markup=False)
    else:
        console.print(f"{workspace.name} is not finished. Go on with:", highlight=False)
        console.print(f"  python -m orchestrator.sweep --name {workspace.name}", highlight=False)


def _list(out: Path, console: Console) -> None:
    from rich.table import Table

    from orchestrator.workspace import list_sweeps

    table = Table("name", "id", "created", "variant", "data set", "state", "test SRCC", box=None, pad_edge=False)
    for workspace, spec in list_sweeps(out):
        state, figure = "unfinished", ""
        if workspace.result.is_file():
            result = json_format.loads(workspace.result.read_text())
            test = (result["best"] or {}).get("test")
            state, figure = "finished", f"{test['srcc']:.4f}" if test else ""
        created = spec.created.astimezone().strftime("%Y-%m-%d %H:%M")
        table.add_row(spec.name, spec.id, created, spec.variant, spec.dataset, state, figure)
    console.print(table)


if __name__ == "__main__":
    sweeps()
