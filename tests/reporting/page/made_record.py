"""Record of a sweep that has run under the fake executor, with a data set of real image files."""

import csv
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image

from orchestrator.core.sweep_folder import Workspace
from orchestrator.data import Dataset
from orchestrator.data.splits import save_split
from orchestrator.reporting.sweep_record import SweepRecord


def record_of(made: Any, folder: Path, prompts: dict[str, str] | None = None) -> SweepRecord:
    """Copy a sweep into a folder and return its record; its data set is a table with one small image per row.

    Args:
        made: the sweep.
        folder: an empty folder.
        prompts: name of an image → its prompt in the data set and in the predictions.
    """
    workspace = Workspace(folder / "sweep")
    shutil.copytree(made.workspace.root, workspace.root, ignore=shutil.ignore_patterns("model", "*.pt"))
    arms = {arm.study: arm.ledger.trials() for arm in made.sweep.arms}
    spec = made.prepared.spec.model_copy(update={"dataset": f"csv:{write_data_set(made, folder, prompts or {})}"})
    save_split(made.task.splits[0], replace_names(made), workspace.split(0))
    studies = {**arms, "confirm": made.sweep.confirm.trials()}
    for path in workspace.trials.glob("*/predictions.csv"):
        _with_prompts(path, prompts or {})
    return SweepRecord(workspace, spec, made.prepared.space, studies, made.summary().as_result())


def write_data_set(made: Any, folder: Path, prompts: dict[str, str]) -> Path:
    """Write the images of a sweep and their table, and return the table's path."""
    images = folder / "images"
    images.mkdir()
    task, path = made.task, folder / "ratings.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("name", "image", "prompt", "generator", *task.targets))
        rows = zip(task.names, task.prompts, task.generators, task.scores, strict=True)
        for row, (name, prompt, generator, scores) in enumerate(rows):
            Image.new("RGB", (24, 16), (row, 80, 120)).save(images / name)
            writer.writerow((name, f"images/{name}", prompts.get(name, prompt), generator, *scores))
    return path


def replace_names(made: Any) -> Dataset:
    """Return the data set of a sweep, by which its split is saved."""
    return replace(made.prepared.dataset, table=made.prepared.dataset.table.assign(name=list(made.task.names)))


def _with_prompts(path: Path, prompts: dict[str, str]) -> None:
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows({**row, "prompt": prompts.get(row["name"], row["prompt"])} for row in rows)
