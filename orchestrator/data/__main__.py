"""`python -m orchestrator.data`: what is there of a data set, and where to get it."""

from __future__ import annotations

import json as json_format
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.core.cli import FAILED, commands
from orchestrator.data.progress import progress_bar, silent


def check(
    dataset: Annotated[str, typer.Argument(help="As for a sweep: agiqa3k, csv:FILE, shapes, ….")],
    data_root: Annotated[Path | None, typer.Option(help="Folder that holds it.")] = None,
    protocol: Annotated[str, typer.Option(help="How to divide it: disjoint, paper or slots.")] = "disjoint",
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    debug: Annotated[bool, typer.Option(help="Show tracebacks.")] = False,
) -> None:
    """Say what is there of a data set, what is missing, and how it divides; 1 if a sweep would refuse it."""
    from rich.console import Console

    from orchestrator.data.print_report import print_report
    from orchestrator.data.report import report_dataset

    with progress_bar() as progress:
        report = report_dataset(dataset, data_root, protocol, progress)
    if json:
        print(json_format.dumps(report.to_dict()))
    else:
        print_report(report, Console())
    if report.problems:
        raise typer.Exit(FAILED)


def get(
    dataset: Annotated[str, typer.Argument(help="Its name, for example agiqa3k.")],
    to: Annotated[Path | None, typer.Option(help="Folder to put it in; data/DATASET if not given.")] = None,
    debug: Annotated[bool, typer.Option(help="Show tracebacks.")] = False,
) -> None:
    """Fetch a data set from the Hugging Face hub where its licence allows it, or say where to get it."""
    from orchestrator.core.errors import InputError
    from orchestrator.data.download import fetch_dataset
    from orchestrator.data.registry import dataset_source, read_dataset

    folder = to or Path("data") / dataset
    fetch_dataset(dataset, folder)
    try:
        rows = len(read_dataset(dataset, folder, silent).table)
    except InputError as error:
        source = dataset_source(dataset)
        print(f"Fetched into {folder}, but not all of it is there: {error} {source.also if source else ''}".strip())
        raise typer.Exit(FAILED) from None
    print(f"{rows} images in {folder}: python -m orchestrator.data check {dataset} --data-root {folder}")


data = commands(check, get)

if __name__ == "__main__":
    data()
