"""`python -m orchestrator.score`: scores images with the best model of a sweep."""

from __future__ import annotations

import json as json_format
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.door import command


@command
def score(
    images: Annotated[list[Path], typer.Argument(help="Images that Pillow reads.")],
    model: Annotated[str, typer.Option(help="A finished sweep (id, name or folder), or a model's folder.")],
    prompt: Annotated[str, typer.Option(help="The prompt that the images were made from.")],
    criteria: Annotated[
        str | None, typer.Option(help="What is asked of the images, for a model of criteria_hyper.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder that sweeps live in.")] = Path("sweeps"),
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    debug: Annotated[bool, typer.Option(help="Show tracebacks.")] = False,
) -> None:
    """Score images, best first, on the scale of the scores that the model was trained on."""
    from rich.console import Console
    from rich.table import Table

    from orchestrator.data.images import UnusableImage, open_image
    from orchestrator.errors import InputError
    from orchestrator.scorer import ScorerError, load_scorer

    folder = _model_folder(model, out)
    for image in images:
        try:
            open_image(image)
        except UnusableImage as error:
            raise InputError(f"{image} cannot be scored: it is {error}.") from error
    try:
        scorer = load_scorer(folder)
    except ScorerError as error:
        raise InputError(str(error)) from error
    if scorer.needs_criteria and not criteria:
        raise InputError(f"A model of {scorer.card.variant} reads what is asked of the images: give --criteria TEXT.")
    table = scorer(images, [prompt] * len(images), [criteria or ""] * len(images))
    targets = list(scorer.card.targets)
    table = table.sort_values(targets, ascending=False)
    if json:
        print(json_format.dumps({"model": str(folder), "scores": table.to_dict("records")}))
        return
    shown = Table(box=None, pad_edge=False)
    shown.add_column("image")
    for target in targets:
        shown.add_column(target, justify="right")
    for row in table.itertuples():
        shown.add_row(str(row.image), *(f"{getattr(row, target):.3f}" for target in targets))
    Console().print(shown)


def _model_folder(reference: str, out: Path) -> Path:
    from orchestrator.errors import InputError
    from orchestrator.workspace import find_sweep

    if (Path(reference) / "model.json").is_file():
        return Path(reference)
    workspace = find_sweep(reference, out)
    if not workspace.result.is_file():
        raise InputError(f"The sweep {workspace.name} is not finished, so it has no best model yet.")
    best = json_format.loads(workspace.result.read_text())["best"]
    folder = workspace.trials / best["run"] / "model" if best and best.get("run") else None
    if folder is None or not folder.is_dir():
        raise InputError(f"The sweep {workspace.name} confirmed no configuration, so it has no model to score with.")
    return folder


if __name__ == "__main__":
    score()
