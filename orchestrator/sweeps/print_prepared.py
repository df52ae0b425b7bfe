"""Print a prepared sweep: its search space, the excluded images, and what was assumed to read the data."""

from __future__ import annotations

from textwrap import indent
from typing import TYPE_CHECKING

from rich.console import Console

if TYPE_CHECKING:
    from orchestrator.data import Dataset
    from orchestrator.execution.prepare import PreparedSweep


def print_space(console: Console, prepared: PreparedSweep) -> None:
    """Print the search space as it is searched, with a comment on the entries that `--set` changes."""
    from orchestrator.search.space_text import space_text

    text = indent(space_text(prepared.space, prepared.overridden), "  ")
    console.print(f"Search space of {prepared.spec.variant}:\n{text}", highlight=False, markup=False, soft_wrap=True)


def print_exclusions(console: Console, prepared: PreparedSweep) -> None:
    """Print the images that are excluded from the data sets, by reason, and scores that MLflow shows otherwise."""
    from orchestrator.execution.check_score_names import renamed_in_mlflow

    for sentence in renamed_in_mlflow(prepared.targets):
        console.print(sentence, style="yellow", highlight=False, markup=False, soft_wrap=True)
    cross = prepared.cross
    for dataset in (prepared.dataset, *([cross.dataset] if cross else [])):
        print_notes(console, dataset)
        for reason, names in dataset.quarantined_names().items():
            shown = ", ".join(names[:3])
            console.print(f"Excluded: {len(names)} × {reason} ({shown} …)", style="yellow", highlight=False)
    for sentence in cross.sentences() if cross else ():
        console.print(sentence, highlight=False, soft_wrap=True)


def print_notes(console: Console, dataset: Dataset) -> None:
    """Print what was assumed to read a data set."""
    for note in dataset.notes:
        console.print(note, highlight=False, markup=False, soft_wrap=True)
