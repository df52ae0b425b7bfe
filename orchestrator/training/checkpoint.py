"""A training on disk: safetensors and JSON, nothing that runs when it is read."""

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
    """What a folder holds to go on from.

    Attributes:
        state: the newest usable one; None where there is none.
        passed_over: why each newer one was not usable, newest first; a sentence each.
    """

    state: TrainingState | None
    passed_over: tuple[str, ...] = ()


class Checkpoints:
    """The checkpoints of one training, in a folder that nobody else writes to: the newest and the one before.

    `last-<epoch>.safetensors` is what a training goes on from, `best-<epoch>.safetensors` the best epoch's model, and
    `checkpoint.json` names the two with their digests, and the meta; `checkpoint.previous.json` names those of the
    save before. Each save writes files of new names and then replaces the index in one step, so that a process
    killed at any moment leaves a whole checkpoint. A loss of power may cost more: files are not synced.

    Attributes:
        size: bytes of the latest checkpoint; 0 before there is one.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.size = 0
        self._named: set[str] | None = None
        self._best: tuple[int, Entry] | None = None

    def save(self, state: TrainingState) -> None:
        """Save a training's state; the one before is kept, what is older goes.

        Raises:
            OSError: it could not be written; the earlier checkpoints are as they were.
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
            self._tidy(before | names_in(self.folder / PREVIOUS))
            raise
        self._named = {entry.name for entry in entries.values()}
        self.size = sum(entry.size for entry in entries.values())
        self._tidy(before | self._named)

    def load(self, usable: Callable[[Mapping[str, Any]], str | None] = lambda meta: None) -> Found:
        """The newest checkpoint that is whole and usable; every byte of its tensors is checked against its digest.

        Those that were passed over are removed: the next save must not take one for the checkpoint before.

        Args:
            usable: given a checkpoint's meta, why it is of no use all the same, or None.
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
        # It lasts for many saves. Damage that leaves size and time as they were is found when it is read.
        if self._best and self._best[0] == epoch and self._best[1].is_as_it_was(self.folder / self._best[1].name):
            return self._best[1]
        entry = self._write(f"{BEST}-{epoch}", tensors)
        self._best = (epoch, entry)
        return entry

    def _write(self, stem: str, tensors: Mapping[str, Tensor]) -> Entry:
        path = self.folder / f"{stem}.safetensors"
        content = safetensors.torch.save(dict(tensors))
        digest = sha256(content).hexdigest()
        write_file(path, content)
        there = path.stat()
        return Entry(path.name, digest, there.st_size, there.st_mtime_ns)

    def _tidy(self, named: set[str]) -> None:
        """Removes other tensors than these, and what a killed writer left half written."""
        for path in tensor_files(self.folder):
            if path.name not in named:
                path.unlink(missing_ok=True)


def has_checkpoint(folder: Path) -> bool:
    """Whether a training was saved in `folder`."""
    return (folder / INDEX).is_file() or (folder / PREVIOUS).is_file()


def load_best(folder: Path) -> tuple[dict[str, Tensor], ScoreScale, dict[str, Any]]:
    """The best epoch's model state, the scale that brings its output to MOS units, and the training's meta.

    What `predict` needs; the optimizer's state is not read.

    Raises:
        CheckpointError: there is no checkpoint, it is damaged, or it has no best epoch: none had a finite
            objective yet, or it was dropped.
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
