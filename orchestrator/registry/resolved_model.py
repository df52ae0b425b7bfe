"""Saved model with its origin and the digest that its files must have."""

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
from orchestrator.core.training_files import MODEL, PREDICTIONS
from orchestrator.tracking.model_digest import folder_digest

_UNPACKING = (OSError, EOFError, RuntimeError, lzma.LZMAError, zlib.error, zipfile.BadZipFile)
"""Errors of a damaged `.zip`, an encrypted one (RuntimeError) and an unknown format (NotImplementedError)."""

EXPORT, README = "export.json", "README.md"


@dataclass(frozen=True)
class ResolvedModel:
    """A model's folder with its origin.

    Attributes:
        folder: folder with the configuration and the weights.
        name: name in messages.
        sha256: recorded result of `folder_digest`; None if none was recorded.
        about: origin as JSON values: sweep, run, version, dataset, data_hash, …
        predictions: table of true and predicted scores of validation and test; None if missing.
        description: model card in Markdown; empty if missing.
        mos_quantiles: quantiles of the training scores, for a configuration without them.
    """

    folder: Path
    name: str
    sha256: str | None = None
    about: Mapping[str, Any] = field(default_factory=dict)
    predictions: Path | None = None
    description: str = ""
    mos_quantiles: Mapping[str, Sequence[float]] = field(default_factory=dict)

    def verify(self) -> str:
        """Return the digest of the files.

        Raises:
            InputError: it differs from the recorded one, or the files cannot be read.
        """
        try:
            digest = folder_digest(self.folder)
        except OSError as error:
            raise InputError(f"The model {self.name} cannot be read: {reason(error)}.") from error
        if self.sha256 is not None and digest != self.sha256:
            raise InputError(
                f"The model {self.name} is not the one that was recorded: its files have the hash {digest[:12]}…, "
                f"not {self.sha256[:12]}…, so it is not loaded."
            )
        return digest


def from_export(folder: Path) -> ResolvedModel:
    """Return the model of an exported folder.

    Raises:
        InputError: it cannot be read.
    """
    try:
        content = json.loads((folder / EXPORT).read_text(encoding="utf-8"))
        sha256, about = str(content["sha256"]), dict(content["about"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{folder / EXPORT} does not identify its model: {reason(error)}.") from error
    predictions, readme = folder / PREDICTIONS, folder / README
    try:
        description = readme.read_text(encoding="utf-8") if readme.is_file() else ""
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
    """Unpack an exported `.zip` and return the folder with the export.

    Raises:
        InputError: it is not an export.
    """
    try:
        with zipfile.ZipFile(file) as packed:
            names = [PurePosixPath(name) for name in packed.namelist()]
            if any(name.is_absolute() or ".." in name.parts for name in names):
                raise InputError(f"{file} has entries outside its folder, so it is not unpacked.")
            packed.extractall(into)
    except _UNPACKING as error:
        raise InputError(f"{file} cannot be unpacked: {reason(error)}.") from error
    exports = sorted(into.glob(f"**/{EXPORT}"))
    if len(exports) != 1:
        raise InputError(f"{file} is not an exported model.")
    return exports[0].parent
