"""Anybody's own ratings, from one table or a folder of the Hugging Face hub."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from orchestrator.core.errors import InputError
from orchestrator.data.dataset import GROUPS
from orchestrator.data.image_paths import locate_images
from orchestrator.data.progress import Progress
from orchestrator.data.read_table import Table, open_table, unknown_column
from orchestrator.data.registry import register_dataset
from orchestrator.data.score_columns import GROUP, ROLES, ScoreColumns, read_scores
from orchestrator.data.validate import RawDataset

_METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
_IMAGE_NAMES = ("image", "name", "file_name", "filename")


@register_dataset("csv", argument="FILE", names_columns=True)
def csv_file(
    argument: str, data_root: Path | None, progress: Progress, columns: Mapping[str, str] | None = None
) -> RawDataset:
    """Load columns image (or name, file_name) and scores; optional prompt, generator, name, standard deviations.

    Names count in any case. Every column of numbers is a score; see `read_scores`. Image paths are absolute or relative
    to the data root; without a data root, to the folder of the file. Otherwise their longest end that exists there
    counts.

    Args:
        argument: a table as `open_table` reads it, or a folder with `metadata.csv`.
        data_root: folder of the images.
        progress: not called.
        columns: image, prompt, name, generator, group or a score → the name of its column in the table.

    Raises:
        InputError: the table cannot be read, or a column is missing or is there twice.
    """
    path = _find_file(Path(argument).expanduser(), data_root)
    columns = columns or {}
    table = _with_roles(_with_named_columns(open_table(path), columns), bool(columns))
    if table.cells.empty:
        raise InputError(f"{path} has no rows.")
    image = next((name for name in _IMAGE_NAMES if name in table.cells), None)
    if image is None:
        raise InputError(
            f"{path} lacks image; its columns are {table.column_names()}: name it with --columns image=COLUMN."
        )
    roles = (*ROLES, GROUP) if GROUP in columns else ROLES
    scores = read_scores(table, [name for name in columns if name not in roles], roles)
    for column in (image, *roles, *(() if scores.targets else table.doubled)):
        table.refuse_doubled(column)
    if not scores.targets:
        raise InputError(_no_scores(table, scores))
    folder = (data_root if data_root is not None else path.parent).absolute()
    return _raw(table, image, scores, folder, GROUP in roles)


def _find_file(path: Path, data_root: Path | None) -> Path:
    """Return the table that was named, or the metadata in the folder that was named."""
    if data_root is not None and not path.exists() and (data_root / path).exists():
        path = data_root / path
    if not path.is_dir():
        return path
    found = [path / name for name in _METADATA if (path / name).is_file()]
    found = found or sorted(inner for name in _METADATA for inner in path.glob(f"*/{name}"))
    if not found:
        raise InputError(f"The folder {path} has no metadata.csv or metadata.jsonl: name the table itself.")
    if len(found) > 1 and found[0].parent != path:
        listed = ", ".join(str(inner.relative_to(path)) for inner in found[:4])
        raise InputError(f"The folder {path} has several tables ({listed}): name one of them.")
    return found[0]


def _with_named_columns(table: Table, columns: Mapping[str, str]) -> Table:
    """Rename the columns that the user named to what they hold."""
    names: dict[str, str] = {}
    for role, column in columns.items():
        found = table.find(column)
        if found is None:
            raise unknown_column(table.path, column, table)
        table.refuse_doubled(found)
        if found in names:
            raise InputError(f"--columns names the column {found} twice, for {names[found]} and {role}.")
        names[found] = role
    return table.renamed(names)


def _with_roles(table: Table, named: bool) -> Table:
    """Return the table with its header in lower case, and image, prompt, name and generator under those names.

    A header that earlier versions could read stays as it is, for the names of its scores are part of the data hash.
    """
    if not named and "prompt" in table.cells and ("image" in table.cells or "name" in table.cells):
        return table
    lowered = {str(column): "_".join(str(column).casefold().split()) for column in table.cells.columns}
    names = {column: name for column, name in lowered.items() if list(lowered.values()).count(name) == 1}
    roles = {column: role for role in (*ROLES, *_IMAGE_NAMES) if (column := table.find(role))}
    return table.renamed(names | roles)


def _raw(table: Table, image: str, scores: ScoreColumns, folder: Path, grouped: bool) -> RawDataset:
    import pandas as pd

    cells = table.cells
    located = locate_images(list(cells[image]), folder)
    prompts = cells["prompt"] if "prompt" in cells else pd.Series([""] * len(cells), dtype=str)
    rows = pd.DataFrame({"prompt": prompts})
    rows["name"] = cells["name"] if "name" in cells else cells[image]
    rows["image"] = located.paths
    rows["generator"] = _generators(table)
    if grouped:
        rows[GROUPS] = cells[GROUP].str.strip()
    for name, values in scores.values.items():
        rows[name] = values
    assumed = [*table.assumed, *scores.assumed]
    notes = [f"Read as: {', '.join(assumed)}."] if assumed else []
    notes += [sentence] if (sentence := located.sentence()) else []
    return RawDataset(
        f"csv:{table.path.name}",
        rows,
        tuple(scores.targets),
        folder,
        notes=tuple(notes),
        unusable=scores.unusable,
        texts=frozenset(scores.texts),
        lines=table.lines,
    )


def _no_scores(table: Table, scores: ScoreColumns) -> str:
    bad = next((why for column, why in scores.unusable.items() if column in scores.texts and "line" in why), None)
    return (
        f"{table.path} has no score: expected a column of numbers such as quality or alignment, "
        f"found only {table.column_names()}{f'; {bad}' if bad else ''}."
    )


def _generators(table: Table) -> list[str]:
    if "generator" not in table.cells:
        return ["unknown"] * len(table.cells)
    return [generator.strip() or "unknown" for generator in table.cells["generator"]]
