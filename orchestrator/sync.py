"""`python -m orchestrator.sync`: send what sweeps still have to tell MLflow."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.core.cli import FAILED, command


@command
def sync(
    sweep: Annotated[
        str | None, typer.Argument(help="Id, name or folder; else every sweep with something left.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder that sweeps live in.")] = Path("sweeps"),
    tracking_uri: Annotated[str | None, typer.Option(help="MLflow; else the one that the sweep used.")] = None,
    wait: Annotated[float, typer.Option(help="Seconds to keep trying while MLflow is away.", min=0)] = 10.0,
    debug: Annotated[bool, typer.Option(help="Show tracebacks.")] = False,
) -> None:
    """Send what sweeps still have to tell MLflow, and say what is left: exit code 0 when all went, else 1."""
    from rich.console import Console

    from orchestrator.sweeps.sync import sync as send

    if not send(sweep, out, tracking_uri, wait, Console()):
        raise typer.Exit(FAILED)


if __name__ == "__main__":
    sync()
