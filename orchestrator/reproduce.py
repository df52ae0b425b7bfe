"""`python -m orchestrator.reproduce`: the paper's tables, its figures beside ours."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.core.cli import command, names


@command
def reproduce(
    dataset: Annotated[str, typer.Option(help="agiqa3k or aigciqa2023.")],
    data_root: Annotated[Path | None, typer.Option(help="Folder of the data set.")] = None,
    tables: Annotated[str | None, typer.Option(help="Tables, separated by commas: II,IV,V. All if not given.")] = None,
    protocols: Annotated[
        str, typer.Option(help="own: as the paper divides; random: prompts disjoint, test prompts drawn anew.")
    ] = "own,random",
    forms: Annotated[
        str, typer.Option(help="paper: the paper's sizes and training; shipped: the default of our search space.")
    ] = "paper,shipped",
    variants: Annotated[
        str | None, typer.Option(help="Systems of those tables, separated by commas. All if not given.")
    ] = None,
    encoders: Annotated[str | None, typer.Option(help="Feature extractors in place of the defaults.")] = None,
    backbone: Annotated[
        str, typer.Option(help="Image encoder: frozen, or finetune to train it with the systems that read its arrays.")
    ] = "frozen",
    splits: Annotated[int, typer.Option(help="Splits that each figure is a median of.")] = 10,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Of every training; 30 in the paper's form and 15 in the shipped one.")
    ] = None,
    quick: Annotated[bool, typer.Option(help="Two splits, five epochs: minutes instead of hours.")] = False,
    seed: Annotated[int, typer.Option(help="Of initialisation and batches.")] = 0,
    address: Annotated[str | None, typer.Option(help="Ray cluster to join; else one is started here.")] = None,
    tracking_uri: Annotated[str | None, typer.Option(help="MLflow; else MLFLOW_TRACKING_URI, else here.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the reproduction; an unfinished one goes on.")] = None,
    out: Annotated[Path, typer.Option(help="Folder that sweeps live in.")] = Path("sweeps"),
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object at the end.")] = False,
    debug: Annotated[bool, typer.Option(help="Show tracebacks.")] = False,
) -> None:
    """Train what the paper's tables report, as it divides and with prompts disjoint, and print all side by side."""
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
