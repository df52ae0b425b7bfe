"""Search for a data set's images: copies of a data set keep them in different folders."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from orchestrator.core.errors import InputError


def find_images(dataset: str, root: Path, folders: Sequence[str], names: Sequence[str]) -> list[str]:
    """Return absolute paths of some images, (N,), in the folder that has the most of them.

    Args:
        dataset: name of the data set, for the message.
        root: the data set's folder.
        folders: candidate folders, relative to the root; the earlier wins a tie.
        names: file names of the images.

    Raises:
        InputError: no folder has any of them.
    """
    # Not `Path.is_file`, which raises for a name that is too long or a folder that may not be read.
    found = {folder: sum(os.path.isfile(root / folder / name) for name in names) for folder in folders}
    best = max(folders, key=lambda folder: found[folder])
    if names and found[best] == 0:
        looked = ", ".join("the folder itself" if folder == "." else f"{folder}/" for folder in folders)
        raise InputError(
            f"{dataset}: {root} has none of the {len(names)} images that its scores name, such as {names[0]}; "
            f"looked in {looked}."
        )
    return [str((root / best / name).absolute()) for name in names]
