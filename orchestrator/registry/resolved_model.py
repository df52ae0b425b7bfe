"""A saved model with where it comes from, and the check that it is the one it is said to be."""

from __future__ import annotations

import json
import lzma
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from orchestrator.core.errors import InputError, reason
from orchestrator.core.run_files import MODEL, PREDICTIONS
from orchestrator.tracking.digest import folder_digest

_UNPACKING = (OSError, EOFError, RuntimeError, lzma.LZMAError, zlib.error, zipfile.BadZipFile)
"""What a torn, an encrypted (RuntimeError) or an unknown kind of `.zip` (its NotImplementedError) ends with."""

EXPORT, README = "export.json", "README.md"


@dataclass(frozen=True)
class ResolvedModel:
    """A model's folder and what is known beside it.

    Attributes:
        folder: holds the card and the weights.
        name: what it is called in a sentence.
        sha256: what `folder_digest` has to say of it, by whoever vouches for it; None where nobody does.
        about: where it comes from: sweep, run, version, dataset, data_hash, …; JSON-able.
        predictions: a table of its validation and test rows, true and predicted; None where there is none.
        description: a model card in Markdown; empty where there is none.
        mos_quantiles: of the training scores, for a card that holds none.
    """

    folder: Path
    name: str
    sha256: str | None = None
    about: Mapping[str, Any] = field(default_factory=dict)
    predictions: Path | None = None
    description: str = ""
    mos_quantiles: Mapping[str, Sequence[float]] = field(default_factory=dict)

    def verify(self) -> str:
        """Its digest.

        Raises:
            InputError: it is not what somebody vouches for, or cannot be read.
        """
        try:
            found = folder_digest(self.folder)
        except OSError as error:
            raise InputError(f"The model {self.name} cannot be read: {reason(error)}.") from error
        if self.sha256 is not None and found != self.sha256:
            raise InputError(
                f"The model {self.name} is not the one that was recorded: its files have the hash {found[:12]}…, "
                f"not {self.sha256[:12]}…; it is not loaded."
            )
        return found


def from_export(folder: Path) -> ResolvedModel:
    """The model of an exported folder.

    Raises:
        InputError: it cannot be read.
    """
    try:
        said = json.loads((folder / EXPORT).read_text())
        sha256, about = str(said["sha256"]), dict(said["about"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{folder / EXPORT} does not say which model it is: {reason(error)}.") from error
    predictions, readme = folder / PREDICTIONS, folder / README
    try:
        description = readme.read_text() if readme.is_file() else ""
    except (OSError, ValueError) as error:
        raise InputError(f"{readme} cannot be read: {reason(error)}.") from error
    return ResolvedModel(
        folder=folder / MODEL,
        name=str(folder),
        sha256=sha256,
        about=about,
        predictions=predictions if predictions.is_file() else None,
        description=description,
    )


def unpack(file: Path, into: Path) -> Path:
    """Unpacks an exported `.zip`; gives the folder inside that holds the export.

    Raises:
        InputError: it is no export.
    """
    try:
        with zipfile.ZipFile(file) as packed:
            names = [PurePosixPath(name) for name in packed.namelist()]
            if any(name.is_absolute() or ".." in name.parts for name in names):
                raise InputError(f"{file} names files outside itself: it is not unpacked.")
            packed.extractall(into)
    except _UNPACKING as error:
        raise InputError(f"{file} cannot be unpacked: {reason(error)}.") from error
    found = sorted(into.glob(f"**/{EXPORT}"))
    if len(found) != 1:
        raise InputError(f"{file} holds no exported model.")
    return found[0].parent
