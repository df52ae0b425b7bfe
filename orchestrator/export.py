"""`python -m orchestrator.export`: write a model into a folder or file for another machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.core.cli import command, examples
from orchestrator.core.cli_options import MODEL_PANEL, SWEEPS, Debug, Out, Plugin, TrackingUri


@command
@examples(
    "python -m orchestrator.export --model text_hyper@champion --to fox-judge.zip",
    "python -m orchestrator.export --model SWEEP --to fox-judge",
)
def export(
    model: Annotated[
        str,
        typer.Option(
            help="NAME@ALIAS, NAME/VERSION, an MLflow run's id, a sweep, or a folder.", rich_help_panel=MODEL_PANEL
        ),
    ],
    to: Annotated[Path, typer.Option(help="New folder, or a new file that ends in .zip.", rich_help_panel=MODEL_PANEL)],
    plugin: Plugin = None,
    sweeps: Out = SWEEPS,
    tracking_uri: TrackingUri = None,
    debug: Debug = False,
) -> None:
    """Write a model with its test predictions, its hash and a card, for orchestrator.score on any machine."""
    from orchestrator.core.plugins import load_plugins
    from orchestrator.registry.export import export_model
    from orchestrator.registry.resolve import resolve_model

    load_plugins(plugin or ())
    with resolve_model(model, sweeps, tracking_uri) as found:
        written = export_model(found, to)
    given = "".join(f" --plugin {module}" for module in plugin or ())
    print(f"{written}: python -m orchestrator.score --model {to}{given} --prompt TEXT IMAGE…")


if __name__ == "__main__":
    export()
