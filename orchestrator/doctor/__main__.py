"""`python -m orchestrator.doctor`: is all that a sweep needs there, reachable and safe."""

from __future__ import annotations

import json as json_format
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.core.cli import FAILED, command


@command
def doctor(
    address: Annotated[str | None, typer.Option(help="Ray cluster; else RAY_ADDRESS or the profile's.")] = None,
    tracking_uri: Annotated[str | None, typer.Option(help="MLflow; else MLFLOW_TRACKING_URI or the profile's.")] = None,
    ledger: Annotated[str | None, typer.Option(help="Database; else HYPERASSESS_LEDGER or the profile's.")] = None,
    storage_path: Annotated[
        str | None, typer.Option(help="Folder or s3://BUCKET/PREFIX; else HYPERASSESS_STORAGE_PATH or the profile's.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder that sweeps live in.")] = Path("sweeps"),
    json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False,
    debug: Annotated[bool, typer.Option(help="Show tracebacks.")] = False,
) -> None:
    """Check versions, weights, GPUs, disk, limits, and all that a sweep reaches; exit code 1 where one fails."""
    from orchestrator.doctor.finding import Level
    from orchestrator.doctor.run_checks import run_checks

    found = run_checks(address, tracking_uri, ledger, storage_path, out)
    if json:
        print(json_format.dumps([one.as_dict() for one in found]))
    else:
        from rich.console import Console

        console = Console()
        styles = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "red"}
        for one in found:
            console.print(f"{one.level:<5}", style=styles[one.level], end="")
            console.print(f"{one.check}: {one.said}", highlight=False, markup=False, soft_wrap=True)
            if one.fix:
                console.print(f"     → {one.fix}", highlight=False, markup=False, soft_wrap=True)
    if any(one.level is Level.FAIL for one in found):
        raise typer.Exit(FAILED)


if __name__ == "__main__":
    doctor()
