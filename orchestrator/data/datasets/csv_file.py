"""Anybody's own ratings, from one CSV file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.core.errors import InputError
from orchestrator.data.progress import Progress
from orchestrator.data.read_table import numbers, read_table
from orchestrator.data.registry import register_dataset
from orchestrator.data.validate import RawDataset

if TYPE_CHECKING:
    import pandas as pd

_NO_SCORES = {"name", "image", "prompt", "generator", "digest", "id", "index", "seed"}


@register_dataset("csv", argument="FILE")
def csv_file(argument: str, data_root: Path | None, progress: Progress) -> RawDataset:
    """Load columns image (or name), prompt and scores; optional generator, name and standard deviations.

    Every column of numbers is a score, with or without a leading `mos_`; its standard deviation is
    `<score>_std` or `std_<score>`. Columns called id, index, seed or `*_id` are not scores. Image paths are
    absolute, or relative to the data root, or, without a data root, to the folder of the file.
    """
    path = Path(argument).expanduser()
    if data_root is not None and not path.is_file() and (data_root / path).is_file():
        path = data_root / path
    table = read_table(path, required=("prompt",))
    if "image" not in table and "name" not in table:
        raise InputError(f"{path} lacks image; its columns are {', '.join(table.columns)}.")
    scores = _score_columns(table)
    if not scores:
        raise InputError(
            f"{path} has no score: expected a column of numbers such as quality or alignment, "
            f"found only {', '.join(table.columns)}."
        )
    images = table["image"] if "image" in table else table["name"]
    folder = (data_root if data_root is not None else path.parent).absolute()
    rows = table[["prompt"]].copy()
    rows["name"] = table.get("name", images)
    rows["image"] = [str(folder / image) for image in images]
    rows["generator"] = _generators(table)
    for target, column in scores.items():
        rows[target] = numbers(table[column])
        for deviation in _deviation_names(target, column):
            if deviation in table:
                rows[f"{target}_std"] = numbers(table[deviation])
    return RawDataset(f"csv:{path.name}", rows, tuple(scores), folder)


def _score_columns(table: pd.DataFrame) -> dict[str, str]:
    scores: dict[str, str] = {}
    for column in table.columns:
        lowered = column.lower()
        unnamed = lowered in ("", "mos_") or lowered.startswith("unnamed:")
        deviation = lowered.endswith("_std") or lowered.startswith("std_") or lowered == "std"
        if lowered in _NO_SCORES or lowered.endswith("_id") or unnamed or deviation:
            continue
        target = column[len("mos_") :] if lowered.startswith("mos_") else column
        if _mostly_numbers(table[column]):
            if target in scores:
                raise InputError(f"The columns {scores[target]} and {column} both hold the score '{target}'.")
            scores[target] = column
    return scores


def _mostly_numbers(column: pd.Series) -> bool:
    # A few cells such as "n/a" do not make a score a text: their rows are quarantined as non-finite.
    filled = column[column.str.strip() != ""]
    return len(filled) > 0 and bool(numbers(filled).notna().mean() > 0.5)


def _deviation_names(target: str, column: str) -> Iterable[str]:
    return dict.fromkeys((f"{target}_std", f"std_{target}", f"{column}_std", f"std_{column}"))


def _generators(table: pd.DataFrame) -> list[str]:
    if "generator" not in table:
        return ["unknown"] * len(table)
    return [generator.strip() or "unknown" for generator in table["generator"]]
