"""Inputs of the command score: images with one prompt, a folder of images, or a table of images and prompts."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.core.errors import InputError, reason
from orchestrator.data.tables.detect_format import TABLE_SUFFIXES


@dataclass(frozen=True)
class ScoreInputs:
    """Images, each with its prompt.

    Attributes:
        images: paths, (n,); URLs as they were written.
        prompts: (n,).
        criteria: (n,), "" if none were given.
        notes: sentences about what was assumed to read them.
        lacks_prompts: sentence about missing prompts, which a model that reads prompts needs; None if there are some.
    """

    images: tuple[Path | str, ...]
    prompts: tuple[str, ...]
    criteria: tuple[str, ...]
    notes: tuple[str, ...] = ()
    lacks_prompts: str | None = None


def read_requests(
    given: Sequence[Path], prompt: str | None, criteria: str | None, optional_prompts: bool = False
) -> ScoreInputs:
    """Read the arguments of the command.

    Args:
        given: images, folders of images, or one table with the columns image, prompt and optionally criteria; its
            relative paths start at its folder.
        prompt: prompt of all images, also for a table without a column prompt.
        criteria: criteria of all images, likewise.
        optional_prompts: return `lacks_prompts` instead of refusing; the prompts are "" then.

    Raises:
        InputError: images, prompt or a column of the table are missing.
    """
    if len(given) == 1 and given[0].suffix.lower() in TABLE_SUFFIXES:
        return _from_table(given[0], prompt, criteria, optional_prompts)
    images = [image for path in given for image in _images_of(path, alone=len(given) == 1)]
    if not images:
        raise InputError(
            "There is nothing to score: give images, a folder, or a CSV with the columns image and prompt."
        )
    lacks = None
    if prompt is None:
        lacks = "Give --prompt TEXT, from which the images were generated, or a CSV with the columns image and prompt."
        if not optional_prompts:
            raise InputError(lacks)
    count = len(images)
    return ScoreInputs(tuple(images), (prompt or "",) * count, (criteria or "",) * count, lacks_prompts=lacks)


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
    from orchestrator.data.decode_image import readable_suffixes

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


def _from_table(path: Path, prompt: str | None, criteria: str | None, optional_prompts: bool) -> ScoreInputs:
    from orchestrator.data.image_paths import is_url, locate_images
    from orchestrator.data.read_table import open_table

    table = open_table(path).require(["image"])
    lacks = None
    if prompt is None and not table.find("prompt"):
        lacks = f"{path} lacks prompt; its columns are {table.column_names()}."
        if not optional_prompts:
            raise InputError(lacks)
    for name, given in (("prompt", prompt), ("criteria", criteria)):
        if given is not None and table.find(name):
            raise InputError(f"{path} has a column {name}: omit --{name}.")
    table = table.require([name for name in ("image", "prompt", "criteria") if table.find(name)])
    cells = table.cells
    if cells.empty:
        raise InputError(f"{path} has no rows.")
    located = locate_images(list(cells["image"]), path.parent)
    images = tuple(image if is_url(image) else Path(image) for image in located.paths)
    prompts = tuple(cells["prompt"]) if "prompt" in cells else (prompt or "",) * len(images)
    all_criteria = tuple(cells["criteria"]) if "criteria" in cells else (criteria or "",) * len(images)
    notes = [f"Read as: {', '.join(table.assumed)}."] if table.assumed else []
    notes += [sentence] if (sentence := located.sentence()) else []
    return ScoreInputs(images, prompts, all_criteria, tuple(notes), lacks)
