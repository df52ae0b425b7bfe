"""`python -m orchestrator.data`: check a data set, or fetch it."""

from __future__ import annotations

import json as json_format
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.core.cli import FAILED, commands, examples
from orchestrator.core.cli_options import DATA_PANEL, Debug, Json
from orchestrator.data.progress import progress_bar, silent


@examples(
    "python -m orchestrator.data check csv:ratings.csv",
    "python -m orchestrator.data check agiqa3k --data-root AGIQA-3K",
)
def check(
    dataset: Annotated[str, typer.Argument(help="Data set: {dataset}.")],
    data_root: Annotated[
        Path | None, typer.Option(help="Folder of the data set, if it is not built in.", rich_help_panel=DATA_PANEL)
    ] = None,
    protocol: Annotated[
        str, typer.Option(help="How the data are split: {protocol}.", rich_help_panel=DATA_PANEL)
    ] = "disjoint",
    columns: Annotated[
        str | None,
        typer.Option(
            help="Columns of csv:FILE, as image=file,prompt=caption,alignment=mos,group=scene.",
            rich_help_panel=DATA_PANEL,
        ),
    ] = None,
    targets: Annotated[
        str | None,
        typer.Option(
            help="Scores to learn, separated by commas; only they are judged.",
            rich_help_panel=DATA_PANEL,
            show_default="any",
        ),
    ] = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Report usable and missing images and how the data split; exit code 1 if a sweep would refuse them."""
    from rich.console import Console

    from orchestrator.core.option_metadata import names as split_names
    from orchestrator.data.print_report import print_report
    from orchestrator.data.report import report_dataset

    with progress_bar() as progress:
        report = report_dataset(
            dataset, data_root, protocol, progress, split_names(columns) or (), split_names(targets) or ()
        )
    if json:
        print(json_format.dumps(report.to_dict()))
    else:
        print_report(report, Console())
    if report.problems:
        raise typer.Exit(FAILED)


@examples("python -m orchestrator.data get agiqa3k", "python -m orchestrator.data get agiqa3k --to AGIQA-3K")
def get(
    dataset: Annotated[str, typer.Argument(help="Data set: {dataset}.")],
    to: Annotated[
        Path | None,
        typer.Option(help="Folder to fetch it into.", rich_help_panel=DATA_PANEL, show_default="data/DATASET"),
    ] = None,
    debug: Debug = False,
) -> None:
    """Fetch a data set from the Hugging Face hub if its licence allows it, else print where to get it."""
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


data = commands(
    *(check, get),
    about="Check a data set, or fetch it.",
    shown=("python -m orchestrator.data check csv:ratings.csv", "python -m orchestrator.data get agiqa3k"),
)

if __name__ == "__main__":
    data()
