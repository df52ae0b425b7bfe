"""`python -m orchestrator.sync`: send the events that sweeps have not sent to MLflow yet."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.core.cli import FAILED, command, examples
from orchestrator.core.cli_options import PLACES_PANEL, SWEEPS, Debug, Out


@command
@examples("python -m orchestrator.sync", "python -m orchestrator.sync SWEEP --wait 120")
def sync(
    sweep: Annotated[
        str | None,
        typer.Argument(help="Name, id or folder of the sweep.", show_default="every sweep with unsent events"),
    ] = None,
    out: Out = SWEEPS,
    tracking_uri: Annotated[
        str | None,
        typer.Option(help="MLflow server or database.", rich_help_panel=PLACES_PANEL, show_default="the sweep's own"),
    ] = None,
    wait: Annotated[
        float, typer.Option(help="Seconds to retry while MLflow is away.", min=0, rich_help_panel=PLACES_PANEL)
    ] = 10.0,
    debug: Debug = False,
) -> None:
    """Send to MLflow the events that sweeps have not sent yet; exit code 0 if none is left, else 1."""
    from rich.console import Console

    from orchestrator.sweeps.sync import sync as send

    if not send(sweep, out, tracking_uri, wait, Console()):
        raise typer.Exit(FAILED)


if __name__ == "__main__":
    sync()
