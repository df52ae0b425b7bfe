"""A training on disk: safetensors and JSON, nothing that runs when it is read."""

import json
import os
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from orchestrator.training.data import ScoreScale
from orchestrator.training.fit import TrainingState

SCHEMA_VERSION = 1
_INDEX = "checkpoint.json"
_LAST, _BEST = "last", "best"


class CheckpointError(Exception):
    """A checkpoint that cannot be used, in one sentence."""


def has_checkpoint(folder: Path) -> bool:
    """Whether a training was saved in `folder`."""
    return (folder / _INDEX).is_file()


def save_checkpoint(folder: Path, state: TrainingState) -> None:
    """Save a training's state in `folder`, in the place of an earlier one.

    `last-<epoch>.safetensors` is what it goes on from, `best-<epoch>.safetensors` the best epoch's model, and
    `checkpoint.json` names the two with their digests, and the meta. Each save writes
    files of new names and then replaces the index in one step, so that a process killed at any moment leaves
    the old checkpoint or the new one whole. That holds for the epochs of one training; another one needs a
    folder of its own. A loss of power is not covered: files are not synced.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = {_LAST: _write(folder, f"{_LAST}-{state.meta['epoch']}.safetensors", state.tensors)}
    if state.meta["best"]:
        files[_BEST] = _write(folder, f"{_BEST}-{state.meta['best']['epoch']}.safetensors", state.best)
    index = {
        "schema_version": SCHEMA_VERSION,
        "files": files,
        "meta": dict(state.meta),
    }
    _replace(folder / _INDEX, (json.dumps(index, indent=1, allow_nan=False) + "\n").encode())
    named = {entry["name"] for entry in files.values()}
    for kind in (_LAST, _BEST):
        for old in folder.glob(f"{kind}-*.safetensors"):
            if old.name not in named:
                old.unlink(missing_ok=True)


def load_checkpoint(folder: Path) -> TrainingState:
    """Read back what `save_checkpoint` wrote; every byte of the tensors is checked against its digest.

    Raises:
        CheckpointError: there is none, or it is damaged or of another schema version.
    """
    index = _read_index(folder)
    try:
        files, meta = index["files"], index["meta"]
        tensors = _read(folder, files[_LAST])
        best = _read(folder, files[_BEST]) if _BEST in files else {}
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"{folder / _INDEX} lacks {error}, so this checkpoint is damaged.") from error
    return TrainingState(tensors, best, meta)


def load_best(folder: Path) -> tuple[dict[str, Tensor], ScoreScale, dict[str, Any]]:
    """The best epoch's model state, the scale that brings its output to MOS units, and the training's meta.

    What `predict` needs; the optimizer's state is not read.

    Raises:
        CheckpointError: as `load_checkpoint`, or no epoch had a finite objective yet.
    """
    index = _read_index(folder)
    try:
        files, meta = index["files"], index["meta"]
        if _BEST not in files:
            raise CheckpointError(f"{folder} holds no best epoch: none has had a finite objective.")
        scale = ScoreScale(torch.tensor(meta["score_mean"]), torch.tensor(meta["score_std"]))
        return _read(folder, files[_BEST]), scale, meta
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"{folder / _INDEX} lacks {error}, so this checkpoint is damaged.") from error


def _read_index(folder: Path) -> dict[str, Any]:
    try:
        index = json.loads((folder / _INDEX).read_text())
    except FileNotFoundError:
        raise CheckpointError(f"{folder} holds no checkpoint.") from None
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{folder / _INDEX} cannot be read: {error}.") from error
    version = index.get("schema_version") if isinstance(index, dict) else None
    if version != SCHEMA_VERSION:
        raise CheckpointError(f"{folder / _INDEX} has schema version {version}, not {SCHEMA_VERSION}.")
    found: dict[str, Any] = index
    return found


def _write(folder: Path, name: str, tensors: Mapping[str, Tensor]) -> dict[str, str]:
    content = safetensors.torch.save(dict(tensors))
    digest = sha256(content).hexdigest()
    path = folder / name
    # The best epoch's file lasts for many saves. A file of this name from a torn save is told by its digest.
    if not path.is_file() or sha256(path.read_bytes()).hexdigest() != digest:
        _replace(path, content)
    return {"name": name, "sha256": digest}


def _replace(path: Path, content: bytes) -> None:
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(content)
    os.replace(partial, path)


def _read(folder: Path, entry: Mapping[str, str]) -> dict[str, Tensor]:
    path = folder / Path(entry["name"]).name
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}.") from error
    if sha256(content).hexdigest() != entry["sha256"]:
        raise CheckpointError(f"{path} is not what was saved: its SHA-256 differs.")
    try:
        return safetensors.torch.load(content)
    except SafetensorError as error:
        raise CheckpointError(f"{path} holds no tensors: {error}.") from error
