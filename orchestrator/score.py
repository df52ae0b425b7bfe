"""`python -m orchestrator.score`: score images with a champion, a sweep's best model, or an exported one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.core.cli import command, examples
from orchestrator.core.cli_options import (
    MODEL_PANEL,
    OUTPUT_PANEL,
    SWEEPS,
    Debug,
    Json,
    Out,
    Plugin,
    TrackingUri,
    flag,
)

_IMAGES, _CHECK = "Images", "Check of the model"


@command
@examples(
    "python -m orchestrator.score --model text_hyper@champion --prompt fox fox.png",
    "python -m orchestrator.score --model SWEEP --out scores.csv images.csv",
)
def score(
    model: Annotated[
        str,
        typer.Option(
            help="NAME@ALIAS, NAME/VERSION, an MLflow run's id, a sweep, an exported folder or .zip.",
            rich_help_panel=MODEL_PANEL,
        ),
    ],
    images: Annotated[
        list[Path] | None,
        typer.Argument(help="Images, folders, or CSV files with columns image, prompt and, if needed, criteria."),
    ] = None,
    device: Annotated[
        str, typer.Option(help="cpu, cuda, or auto: cuda if there is a GPU.", rich_help_panel=MODEL_PANEL)
    ] = "auto",
    prompt: Annotated[
        str | None, typer.Option(help="Prompt that the images were made from.", rich_help_panel=_IMAGES)
    ] = None,
    criteria: Annotated[
        str | None,
        typer.Option(help="Criteria that the images are judged by, for criteria_hyper.", rich_help_panel=_IMAGES),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="CSV file for the scores.", rich_help_panel=OUTPUT_PANEL)] = None,
    check: Annotated[bool, flag("Score the model's own test images again, and compare.", _CHECK, "--check")] = False,
    dataset: Annotated[
        str | None,
        typer.Option(help="With --check: the data set.", rich_help_panel=_CHECK, show_default="as trained"),
    ] = None,
    data_root: Annotated[
        Path | None,
        typer.Option(help="With --check: folder of the data set.", rich_help_panel=_CHECK, show_default="as trained"),
    ] = None,
    plugin: Plugin = None,
    sweeps: Out = SWEEPS,
    tracking_uri: TrackingUri = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Score images, best first, on the scale of the scores that the model was trained on."""
    from orchestrator.core.errors import InputError
    from orchestrator.core.plugins import load_plugins
    from orchestrator.registry.score import ScoreOptions, check_again, score_images

    load_plugins(plugin or ())
    asked = ScoreOptions(model, sweeps, tracking_uri, device, json)
    if check:
        if images or prompt or criteria or out:
            raise InputError(
                "--check scores the model's own test images: give no images, no --prompt, --criteria or --out."
            )
        done = check_again(asked, dataset, data_root)
    else:
        if dataset or data_root:
            raise InputError("--dataset and --data-root go with --check: images to score are given by their paths.")
        done = score_images(asked, images or [], prompt, criteria, out)
    if not done:
        raise typer.Exit(1)


if __name__ == "__main__":
    score()
