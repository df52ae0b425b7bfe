"""`python -m orchestrator.reproduce`: reproduce the paper's tables, its figures next to ours."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.core.cli import command, examples, names
from orchestrator.core.cli_options import (
    DATA_PANEL,
    PLACES_PANEL,
    SWEEPS,
    Debug,
    Json,
    Out,
    TrackingUri,
    flag,
    service,
)

_TABLES, _TRAINING = "Tables", "Training"


@command
@examples(
    "python -m orchestrator.reproduce --dataset agiqa3k --data-root DIR --quick",
    "python -m orchestrator.reproduce --dataset aigciqa2023 --data-root DIR",
)
def reproduce(
    dataset: Annotated[
        str, typer.Option(help="Data set of the paper: agiqa3k or aigciqa2023.", rich_help_panel=DATA_PANEL)
    ],
    data_root: Annotated[Path | None, typer.Option(help="Folder of the data set.", rich_help_panel=DATA_PANEL)] = None,
    tables: Annotated[
        str | None,
        typer.Option(help="Tables, separated by commas: II,IV,V.", rich_help_panel=_TABLES, show_default="all"),
    ] = None,
    variants: Annotated[
        str | None,
        typer.Option(help="Systems of those tables, separated by commas.", rich_help_panel=_TABLES, show_default="all"),
    ] = None,
    protocols: Annotated[
        str,
        typer.Option(
            help="own splits as the paper does; random draws test prompts, disjoint from the others.",
            rich_help_panel=_TABLES,
        ),
    ] = "own,random",
    forms: Annotated[
        str,
        typer.Option(
            help="paper: its sizes and training settings; shipped: the default of our search space.",
            rich_help_panel=_TABLES,
        ),
    ] = "paper,shipped",
    encoders: Annotated[
        str | None,
        typer.Option(
            help="Feature extractors, separated by commas: {encoder}.",
            rich_help_panel=_TRAINING,
            show_default="the first of each kind",
        ),
    ] = None,
    backbone: Annotated[
        str,
        typer.Option(
            help="Image encoder: frozen, or finetune to train it with the systems that read its arrays.",
            rich_help_panel=_TRAINING,
        ),
    ] = "frozen",
    splits: Annotated[
        int, typer.Option(help="Splits; each figure is the median over them.", rich_help_panel=_TRAINING)
    ] = 10,
    epochs: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Epochs of every training.",
            rich_help_panel=_TRAINING,
            show_default="30 in the paper's form, 15 in the shipped one",
        ),
    ] = None,
    quick: Annotated[bool, flag("Two splits, five epochs: minutes instead of hours.", _TRAINING)] = False,
    seed: Annotated[int, typer.Option(help="Seed of initialisation and batches.", rich_help_panel=_TRAINING)] = 0,
    name: Annotated[
        str | None,
        typer.Option(
            help="Name of the reproduction; an unfinished one of that name is resumed.",
            rich_help_panel=PLACES_PANEL,
            show_default="reproduce-DATASET",
        ),
    ] = None,
    out: Out = SWEEPS,
    address: Annotated[
        str | None, service("address", "Ray cluster to join.", "the profile's, or a new one here", PLACES_PANEL)
    ] = None,
    tracking_uri: TrackingUri = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Train the systems of the paper's tables on its splits and on disjoint prompts; print all figures in one table."""
    from orchestrator.reproduction.runner import FROZEN, PaperReproduction, run_reproduction

    words = ["reproduce", dataset]
    words += [backbone] if backbone != FROZEN else []
    words += ["quick"] if quick else []
    reproduction = PaperReproduction(
        dataset=dataset,
        data_root=data_root,
        tables=names(tables) or (),
        protocols=names(protocols) or (),
        forms=names(forms) or (),
        variants=names(variants) or (),
        encoders=names(encoders) or (),
        backbone=backbone,
        splits=2 if quick else splits,
        epochs=epochs or (5 if quick else None),
        seed=seed,
        address=address,
        tracking_uri=tracking_uri,
        name=name or "-".join(words),
    )
    run_reproduction(reproduction, out, as_json=json)


if __name__ == "__main__":
    reproduce()
