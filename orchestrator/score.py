"""`python -m orchestrator.score`: scores images with a champion, a sweep's best model, or an exported one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.core.cli import command


@command
def score(
    model: Annotated[
        str, typer.Option(help="NAME@ALIAS, NAME/VERSION, an MLflow run's id, a sweep, an exported folder or .zip.")
    ],
    images: Annotated[
        list[Path] | None, typer.Argument(help="Images, folders, or a CSV with columns image, prompt[, criteria].")
    ] = None,
    prompt: Annotated[str | None, typer.Option(help="The prompt that the images were made from.")] = None,
    criteria: Annotated[
        str | None, typer.Option(help="What is asked of the images, for a model of criteria_hyper.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="CSV file for the scores.")] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Score the model's own test images again, and compare.")
    ] = False,
    dataset: Annotated[str | None, typer.Option(help="With --check: the data set; default: as trained.")] = None,
    data_root: Annotated[Path | None, typer.Option(help="With --check: the data set's folder.")] = None,
    sweeps: Annotated[Path, typer.Option(help="Folder that sweeps live in.")] = Path("sweeps"),
    tracking_uri: Annotated[str | None, typer.Option(help="MLflow; default: MLFLOW_TRACKING_URI.")] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, or auto: cuda where there is one.")] = "auto",
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    debug: Annotated[bool, typer.Option(help="Show tracebacks.")] = False,
) -> None:
    """Score images, best first, on the scale of the scores that the model was trained on."""
    from orchestrator.core.errors import InputError
    from orchestrator.registry.score import ScoreOptions, check_again, score_images

    asked = ScoreOptions(model, sweeps, tracking_uri, device, json)
    if check:
        if images or prompt or criteria or out:
            raise InputError(
                "--check scores the model's own test images: leave out images, --prompt, --criteria, --out."
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
