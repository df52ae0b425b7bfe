"""`python -m orchestrator.rollback`: return to the champion before this one."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.core.cli import command


@command
def rollback(
    variant: Annotated[str, typer.Option(help="Name of the registered model.")],
    alias: Annotated[str, typer.Option(help="Which alias.")] = "champion",
    reason: Annotated[str | None, typer.Option(help="Why; kept in the history.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the history and what would happen.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    tracking_uri: Annotated[str | None, typer.Option(help="MLflow; else MLFLOW_TRACKING_URI, else here.")] = None,
    debug: Annotated[bool, typer.Option(help="Show tracebacks.")] = False,
) -> None:
    """Return an alias to the version that it was on before; twice goes back twice."""
    import sys

    from orchestrator.registry.promotion.cli import check_alias, connect, question, silence_libraries
    from orchestrator.registry.promotion.promote import roll_back
    from orchestrator.sweeps.start import make_console

    check_alias(alias)
    confirm = question(yes or dry_run)
    with silence_libraries():
        code = roll_back(connect(tracking_uri), variant, alias, reason, dry_run, make_console(sys.stdout), confirm)
    if code:
        raise typer.Exit(code)


if __name__ == "__main__":
    rollback()
