"""`python -m orchestrator.doctor`: check that everything a sweep needs is installed, reachable and safe."""

from __future__ import annotations

import json as json_format
from typing import Annotated

import typer

from orchestrator.core.cli import FAILED, command, examples
from orchestrator.core.cli_options import OUTPUT_PANEL, SWEEPS, Debug, Out, flag, service


@command
@examples("python -m orchestrator.doctor", "python -m orchestrator.doctor --storage-path s3://BUCKET --json")
def doctor(
    address: Annotated[str | None, service("address", "Ray cluster to check.", "the profile's, or none")] = None,
    tracking_uri: Annotated[
        str | None, service("tracking_uri", "MLflow server or database.", "the profile's, or mlflow.db here")
    ] = None,
    ledger: Annotated[
        str | None, service("ledger", "Database of trials.", "the profile's, or a file of each sweep")
    ] = None,
    storage_path: Annotated[
        str | None,
        service("storage_path", "Folder or s3://BUCKET/PREFIX of checkpoints.", "the profile's, or the sweep's folder"),
    ] = None,
    out: Out = SWEEPS,
    json: Annotated[bool, flag("Print a JSON list.", OUTPUT_PANEL, "--json")] = False,
    debug: Debug = False,
) -> None:
    """Check versions, weights, GPUs, disk, limits and services of a sweep; exit code 1 if a check fails."""
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
