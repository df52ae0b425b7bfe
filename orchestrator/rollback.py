"""`python -m orchestrator.rollback`: return an alias to the version before."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.core.cli import command, examples
from orchestrator.core.cli_options import MODEL_PANEL, Debug, TrackingUri, flag


@command
@examples(
    "python -m orchestrator.rollback --variant text_hyper --dry-run",
    "python -m orchestrator.rollback --variant text_hyper --yes",
)
def rollback(
    variant: Annotated[
        str,
        typer.Option(help="Registered model, named after its variant: {variant}.", rich_help_panel=MODEL_PANEL),
    ],
    alias: Annotated[str, typer.Option(help="Alias to move back.", rich_help_panel=MODEL_PANEL)] = "champion",
    reason: Annotated[
        str | None, typer.Option(help="Reason, kept in the history.", rich_help_panel=MODEL_PANEL)
    ] = None,
    dry_run: Annotated[
        bool, flag("Show the history and the move, and change nothing.", MODEL_PANEL, "--dry-run")
    ] = False,
    yes: Annotated[bool, flag("Move the alias without asking.", MODEL_PANEL, "--yes")] = False,
    tracking_uri: TrackingUri = None,
    debug: Debug = False,
) -> None:
    """Return an alias to the version before; a second call returns it to the one before that."""
    import sys

    from orchestrator.core.console import make_console
    from orchestrator.registry.promotion.command_helpers import check_alias, connect, question, silence_libraries
    from orchestrator.registry.promotion.promote import roll_back

    check_alias(alias)
    confirm = question(yes or dry_run)
    with silence_libraries():
        code = roll_back(connect(tracking_uri), variant, alias, reason, dry_run, make_console(sys.stdout), confirm)
    if code:
        raise typer.Exit(code)


if __name__ == "__main__":
    rollback()
