"""`python -m orchestrator.export`: a model as a folder or file to give away."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.core.cli import command


@command
def export(
    model: Annotated[str, typer.Option(help="NAME@ALIAS, NAME/VERSION, an MLflow run's id, a sweep, or a folder.")],
    to: Annotated[Path, typer.Option(help="A folder, or a file ending in .zip; must not be there yet.")],
    sweeps: Annotated[Path, typer.Option(help="Folder that sweeps live in.")] = Path("sweeps"),
    tracking_uri: Annotated[str | None, typer.Option(help="MLflow; default: MLFLOW_TRACKING_URI.")] = None,
    debug: Annotated[bool, typer.Option(help="Show tracebacks.")] = False,
) -> None:
    """Write a model with its test predictions, its hash and a card, for orchestrator.score on any machine."""
    from orchestrator.registry.export import export_model
    from orchestrator.registry.resolve import resolve_model

    with resolve_model(model, sweeps, tracking_uri) as found:
        written = export_model(found, to)
    print(f"{written}: python -m orchestrator.score --model {to} --prompt TEXT IMAGE…")


if __name__ == "__main__":
    export()
