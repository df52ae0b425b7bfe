"""Table of scores, best first; images that could not be scored are last, with the reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.scoring.marks import UNLIKE, range_column
from orchestrator.scoring.scored_batch import REASON

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console


def ranked(table: pd.DataFrame, targets: Sequence[str]) -> pd.DataFrame:
    """Return the rows sorted by score, best first; the first target decides, and ties keep their order."""
    return table.sort_values(list(targets), ascending=False, kind="stable", na_position="last", ignore_index=True)


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a dictionary per row for JSON; None for missing values."""
    plain = table.astype(object).where(table.notna(), None)
    return [{str(key): value for key, value in row.items()} for row in plain.to_dict("records")]


def write_scores(table: pd.DataFrame, file: Path) -> None:
    """Write a CSV; raise InputError if it cannot be written."""
    from orchestrator.core.errors import InputError, reason

    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        table.to_csv(file, index=False)
    except OSError as error:
        raise InputError(f"--out {file} cannot be written: {reason(error)}.") from error


def show_scores(console: Console, table: pd.DataFrame, targets: Sequence[str], rows: int | None = None) -> None:
    """Print a ranked table.

    Args:
        console: console to print on.
        table: see `ranked`.
        targets: columns of scores.
        rows: largest number of scored rows, and of rows without scores; None for all.
    """
    from rich.markup import escape
    from rich.table import Table

    scored, broken = table[table[REASON].isna()], table[table[REASON].notna()]
    most = len(table) if rows is None else rows
    several_prompts = table["prompt"].nunique() > 1
    shown = Table(box=None, pad_edge=False)
    shown.add_column("", justify="right", style="dim")
    shown.add_column("image", overflow="fold")
    notes = [_note(row, targets) for row in scored.to_dict("records")]
    for target in targets:
        shown.add_column(target, justify="right")
        if f"{target}_percentile" in table:
            shown.add_column("percentile" if len(targets) == 1 else "", justify="right", style="dim")
    marked = any(notes[:most])
    if marked:
        shown.add_column("marks", style="yellow", no_wrap=True)
    if several_prompts:
        shown.add_column("prompt", overflow="ellipsis", no_wrap=True)
    for place, row in enumerate(scored.head(most).to_dict("records"), start=1):
        cells = [str(place), escape(str(row["image"]))]
        for target in targets:
            cells.append(f"{row[target]:.3f}")
            if f"{target}_percentile" in row:
                cells.append(f"{row[f'{target}_percentile']:.0f} %")
        if marked:
            cells.append(notes[place - 1])
        shown.add_row(*cells, *([escape(str(row["prompt"]))] if several_prompts else []))
    if len(scored):
        console.print(shown)
    if len(scored) > most:
        console.print(f"… and {len(scored) - most} more.", style="dim")
    if any(notes):
        console.print(_legend(scored, targets), style="yellow", soft_wrap=True, markup=False, highlight=False)
    for row in broken.head(most).to_dict("records"):
        console.print(
            f"not scored: {row['image']}: {row[REASON]}", style="yellow", soft_wrap=True, markup=False, highlight=False
        )
    if len(broken) > most:
        console.print(f"… and {len(broken) - most} more not scored.", style="yellow")


def _note(row: Mapping[Any, Any], targets: Sequence[str]) -> str:
    """Return the marks of a scored row in a few words; empty without marks."""
    outside = [target for target in targets if row.get(range_column(target)) is True]
    ranges = ["range" if len(targets) == 1 else f"{target} range" for target in outside]
    return ", ".join([*ranges, *(kind for kind, column in UNLIKE.items() if row.get(column) is True)])


def _legend(scored: pd.DataFrame, targets: Sequence[str]) -> str:
    """Return one sentence that explains the marks of scored rows and counts the rows."""
    ranges = [range_column(target) for target in targets if range_column(target) in scored]
    counts = {"outside the training range": int(scored[ranges].any(axis=1).sum())}
    for kind, column in UNLIKE.items():
        if column in scored:
            counts[f"with {'an' if kind == 'image' else 'a'} {kind} unlike the training's"] = int(scored[column].sum())
    return (
        f"Marked scores are less reliable: {', '.join(f'{count} {text}' for text, count in counts.items() if count)}."
    )
