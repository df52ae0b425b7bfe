"""Inputs of the command score: images with one prompt, a folder of images, or a table of images and prompts."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.core.errors import InputError, reason

_TABLES = {".csv", ".xlsx"}


@dataclass(frozen=True)
class ScoreInputs:
    """Images, each with its prompt.

    Attributes:
        images: paths, (n,).
        prompts: (n,).
        criteria: (n,), "" if none were given.
    """

    images: tuple[Path, ...]
    prompts: tuple[str, ...]
    criteria: tuple[str, ...]


def read_requests(given: Sequence[Path], prompt: str | None, criteria: str | None) -> ScoreInputs:
    """Read the arguments of the command.

    Args:
        given: images, folders of images, or one table with the columns image, prompt and optionally criteria; its
            relative paths start at its folder.
        prompt: prompt of all images, also for a table without a column prompt.
        criteria: criteria of all images, likewise.

    Raises:
        InputError: images, prompt or a column of the table are missing.
    """
    if len(given) == 1 and given[0].suffix.lower() in _TABLES:
        return _from_table(given[0], prompt, criteria)
    images = [image for path in given for image in _images_of(path, alone=len(given) == 1)]
    if not images:
        raise InputError(
            "There is nothing to score: give images, a folder, or a CSV with the columns image and prompt."
        )
    if prompt is None:
        raise InputError(
            "Give --prompt TEXT, from which the images were generated, or a CSV with the columns image and prompt."
        )
    return ScoreInputs(tuple(images), (prompt,) * len(images), (criteria or "",) * len(images))


def _images_of(path: Path, alone: bool) -> list[Path]:
    """Return an image itself, or the images in a folder; an empty folder among others is a row with a reason."""
    if not os.path.isdir(path):
        return [path]
    try:
        return _inside(path)
    except InputError:
        if alone:
            raise
        return [path]


def _inside(folder: Path) -> list[Path]:
    """Return the images in a folder, sorted by name."""
    from orchestrator.data.images import readable_suffixes

    known = readable_suffixes()
    try:
        images = sorted(
            path
            for path in folder.iterdir()
            if not path.is_dir() and not path.name.startswith(".") and path.suffix.lower() in known
        )
    except OSError as error:
        raise InputError(f"The folder {folder} cannot be read: {reason(error)}.") from error
    if not images:
        raise InputError(f"The folder {folder} has no images.")
    return images


def _from_table(path: Path, prompt: str | None, criteria: str | None) -> ScoreInputs:
    from orchestrator.data.read_table import read_table

    table = read_table(path, ["image"] if prompt is not None else ["image", "prompt"])
    if table.empty:
        raise InputError(f"{path} has no rows.")
    if prompt is not None and "prompt" in table:
        raise InputError(f"{path} has a column prompt: omit --prompt.")
    if criteria is not None and "criteria" in table:
        raise InputError(f"{path} has a column criteria: omit --criteria.")
    images = tuple(path.parent / image for image in table["image"])
    prompts = tuple(table["prompt"]) if "prompt" in table else (str(prompt),) * len(images)
    all_criteria = tuple(table["criteria"]) if "criteria" in table else (criteria or "",) * len(images)
    return ScoreInputs(images, prompts, all_criteria)
