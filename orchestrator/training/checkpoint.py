"""Checkpoints of a training: safetensors and JSON, which execute no code when they are read."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from orchestrator.core.atomic_files import write_file
from orchestrator.training.checkpoint_files import (
    BEST,
    INDEX,
    LAST,
    PREVIOUS,
    CheckpointError,
    Entry,
    as_index,
    entry_of,
    keep_as,
    names_in,
    read_index,
    read_tensors,
    tensor_files,
)
from orchestrator.training.trainer import TrainingState
from orchestrator.training.training_data import ScoreScale

__all__ = ["CheckpointError", "Checkpoints", "Found", "has_checkpoint", "load_best"]


@dataclass(frozen=True)
class Found:
    """Result of `Checkpoints.load`.

    Attributes:
        state: the newest usable state; None if there is none.
        passed_over: reasons why newer checkpoints were not usable, newest first; a sentence each.

    Example:
        >>> Found(state=None).passed_over
        ()
    """

    state: TrainingState | None
    passed_over: tuple[str, ...] = ()


class Checkpoints:
    """Newest and previous checkpoint of one training, in a folder that no other process writes to.

    - `last-<epoch>.safetensors`: the state that a training resumes from
    - `best-<epoch>.safetensors`: the best epoch's model
    - `checkpoint.json`: index with the names and digests of the two, and the meta
    - `checkpoint.previous.json`: index of the previous save

    Each save writes files with new names and then replaces the index in one step. So a process killed at any moment
    leaves a complete checkpoint. Files are not synced, so a power failure can destroy both checkpoints.

    Attributes:
        size: bytes of the latest checkpoint; 0 before the first save.

    Example:
        >>> import tempfile
        >>> checkpoints = Checkpoints(Path(tempfile.mkdtemp()))
        >>> checkpoints.save(TrainingState({"model.weight": torch.ones(2)}, best={}, meta={"epoch": 1, "best": None}))
        >>> checkpoints.load().state.meta["epoch"]
        1
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.size = 0
        self._named: set[str] | None = None
        self._best: tuple[int, Entry] | None = None

    def save(self, state: TrainingState) -> None:
        """Save a training's state; keep the previous checkpoint and delete older ones.

        Raises:
            OSError: the state could not be written; the earlier checkpoints are unchanged.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        before = self._named if self._named is not None else names_in(self.folder / INDEX)
        entries: dict[str, Entry] = {}
        try:
            entries[LAST] = self._write(f"{LAST}-{state.meta['epoch']}", state.tensors)
            if state.meta["best"]:
                entries[BEST] = self._write_best(state.meta["best"]["epoch"], state.best)
            keep_as(self.folder / INDEX, self.folder / PREVIOUS)
            files = {part: {"name": entry.name, "sha256": entry.sha256} for part, entry in entries.items()}
            write_file(self.folder / INDEX, as_index(files, state.meta))
        except OSError:
            self._delete_except(before | names_in(self.folder / PREVIOUS))
            raise
        self._named = {entry.name for entry in entries.values()}
        self.size = sum(entry.size for entry in entries.values())
        self._delete_except(before | self._named)

    def load(self, usable: Callable[[Mapping[str, Any]], str | None] = lambda meta: None) -> Found:
        """Load the newest checkpoint that is complete and usable; all tensors are checked against their digests.

        Checkpoints that were passed over are deleted, so that the next save does not keep one as the previous one.

        Args:
            usable: function of a checkpoint's meta; returns the reason why the checkpoint is not usable, or None.
        """
        passed_over = []
        for name in (INDEX, PREVIOUS):
            try:
                index = read_index(self.folder / name)
                if why := usable(index["meta"]):
                    raise CheckpointError(f"{self.folder / name} is of no use: {why}.")
                state = self._state(index)
            except CheckpointError as error:
                if (self.folder / name).exists() or (name == INDEX and (self.folder / PREVIOUS).exists()):
                    passed_over.append(str(error))
                continue
            if name == PREVIOUS:
                os.replace(self.folder / PREVIOUS, self.folder / INDEX)
            self._named = names_in(self.folder / INDEX)
            return Found(state, tuple(passed_over))
        for name in (INDEX, PREVIOUS):
            (self.folder / name).unlink(missing_ok=True)
        return Found(None, tuple(passed_over))

    def _state(self, index: Mapping[str, Any]) -> TrainingState:
        files, meta = index["files"], index["meta"]
        tensors, last = read_tensors(self.folder, entry_of(index, LAST))
        best: dict[str, Tensor] = {}
        self._best, self.size = None, last.size
        if meta["best"]:
            best, entry = read_tensors(self.folder, entry_of(index, BEST))
            self._best, self.size = (meta["best"]["epoch"], entry), last.size + entry.size
        elif BEST in files:
            raise CheckpointError(f"{self.folder} holds a best epoch's file of no epoch, so it is damaged.")
        return TrainingState(tensors, best, meta)

    def _write_best(self, epoch: int, tensors: Mapping[str, Tensor]) -> Entry:
        # The file stays for many saves. Damage that does not change size and time is detected when it is read.
        if self._best and self._best[0] == epoch and self._best[1].is_unchanged(self.folder / self._best[1].name):
            return self._best[1]
        entry = self._write(f"{BEST}-{epoch}", tensors)
        self._best = (epoch, entry)
        return entry

    def _write(self, stem: str, tensors: Mapping[str, Tensor]) -> Entry:
        path = self.folder / f"{stem}.safetensors"
        content = safetensors.torch.save(dict(tensors))
        digest = sha256(content).hexdigest()
        write_file(path, content)
        status = path.stat()
        return Entry(path.name, digest, status.st_size, status.st_mtime_ns)

    def _delete_except(self, named: set[str]) -> None:
        """Delete tensor files with other names, and the drafts of killed writers."""
        for path in tensor_files(self.folder):
            if path.name not in named:
                path.unlink(missing_ok=True)


def has_checkpoint(folder: Path) -> bool:
    """Return whether a training was saved in `folder`.

    Example:
        >>> has_checkpoint(Path("missing"))
        False
    """
    return (folder / INDEX).is_file() or (folder / PREVIOUS).is_file()


def load_best(folder: Path) -> tuple[dict[str, Tensor], ScoreScale, dict[str, Any]]:
    """Load the best epoch's model state, the scale of its output to MOS units, and the training's meta.

    These are the inputs of `predict`; the optimizer's state is not read.

    Raises:
        CheckpointError: there is no checkpoint, it is damaged, or it has no best epoch. A best epoch is missing if no
            epoch had a finite objective yet, or after `drop`.

    Example:
        >>> load_best(Path("missing"))
        Traceback (most recent call last):
        ...
        orchestrator.training.checkpoint_files.CheckpointError: missing holds no checkpoint.json, so no checkpoint.
    """
    index = read_index(folder / INDEX)
    meta = index["meta"]
    if not meta["best"]:
        raise CheckpointError(f"{folder} holds no best epoch: none has had a finite objective.")
    tensors, _ = read_tensors(folder, entry_of(index, BEST))
    try:
        return tensors, ScoreScale(torch.tensor(meta["score_mean"]), torch.tensor(meta["score_std"])), meta
    except KeyError as error:
        raise CheckpointError(f"{folder / INDEX} lacks {error}, so this checkpoint is damaged.") from error
