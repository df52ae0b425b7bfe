"""Arrays on disk, computed once in chunks that survive a kill, then memory-mapped by everybody."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from orchestrator.data.cache import write_atomically
from orchestrator.data.progress import Progress
from orchestrator.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

CHUNK_ROWS = 256
_FORMAT = 1
_POLL_SECONDS = 0.5

Block = Mapping[str, "NDArray[np.floating[Any]]"]
Produce = Callable[[int], Iterator[Block]]
_Drafts = Mapping[str, "np.memmap[Any, np.dtype[np.float16]]"]


@dataclass(frozen=True)
class StoredArray:
    """A complete array on disk: `rows` rows of `shape`, float16."""

    path: Path
    rows: int
    shape: tuple[int, ...]

    def open(self) -> NDArray[np.float16]:
        """The array, (rows, *shape), memory-mapped; what is written to it stays in this process."""
        mapped: NDArray[np.float16] = np.load(self.path, mmap_mode="c")
        if mapped.shape != (self.rows, *self.shape) or mapped.dtype != np.float16:
            raise ValueError(f"{self.path} holds {mapped.dtype} {mapped.shape}, not {self.rows} rows")
        return mapped


@dataclass(frozen=True)
class ArrayFolder:
    """The arrays of one encoder for one dataset; the folder is there as soon as they are complete.

    Until then they grow in `<folder>.partial`, where `progress.json` notes how many rows are on the disk.

    Attributes:
        path: the folder; its name is unique to the content.
        identity: what the content depends on, written beside it and compared when it is opened.
        rows: how many rows every array has.
    """

    path: Path
    identity: str
    rows: int

    def open(self) -> dict[str, StoredArray] | None:
        """The arrays by name; None where they are not complete, or damaged, or of something else."""
        try:
            meta = json.loads((self.path / "meta.json").read_text(encoding="utf-8"))
            if (meta["format"], meta["identity"], meta["rows"]) != (_FORMAT, self.identity, self.rows):
                return None
            arrays = {
                name: StoredArray(self.path / f"{name}.npy", self.rows, tuple(shape))
                for name, shape in meta["arrays"].items()
            }
            for array in arrays.values():
                array.open()
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return arrays

    def ensure(self, produce: Produce, progress: Progress, what: str) -> dict[str, StoredArray]:
        """Open the arrays, and compute first what is missing; only one process at a time computes.

        Args:
            produce: given a row, yields blocks of consecutive rows from there on, each {name: (B, *shape)}.
            progress: told after every block, also while another process computes.
            what: what it is told.

        Raises:
            InputError: no room on the disk.
            ValueError: values that float16 cannot hold.
        """
        if (ready := self.open()) is not None:
            return ready
        from filelock import FileLock, Timeout

        self.path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.path.with_name(f"{self.path.name}.lock"))
        while True:
            try:
                with lock.acquire(timeout=_POLL_SECONDS):
                    return self.open() or self._compute(produce, progress, what)
            except Timeout:
                progress(self._finished_rows(), self.rows, f"{what} (in another process)")

    def _compute(self, produce: Produce, progress: Progress, what: str) -> dict[str, StoredArray]:
        done = self._finished_rows()
        drafts = self._open_drafts() if done else {}
        if not drafts:
            shutil.rmtree(self._partial, ignore_errors=True)
            self._partial.mkdir()
            done = 0
        kept = done
        progress(done, self.rows, what)
        for block in produce(done) if done < self.rows else ():
            drafts = drafts or self._create_drafts(block)
            done += self._write(drafts, block, done)
            if done - kept >= CHUNK_ROWS or done == self.rows:
                self._keep(drafts, done)
                kept = done
            progress(done, self.rows, what)
        if done != self.rows:
            raise ValueError(f"{what}: {done} of {self.rows} rows were produced")
        return self._finish({name: draft.shape[1:] for name, draft in drafts.items()})

    def _create_drafts(self, block: Block) -> _Drafts:
        shapes = {name: (self.rows, *values.shape[1:]) for name, values in block.items()}
        needed = 2 * sum(math.prod(shape) for shape in shapes.values())
        free = shutil.disk_usage(self._partial).free
        if needed > free:
            raise InputError(
                f"The features need {needed / 1e9:.1f} GB in {self.path.parent}, where {free / 1e9:.1f} GB "
                "are free; make room, or set HYPERASSESS_CACHE to a folder elsewhere."
            )
        return {
            name: np.lib.format.open_memmap(self._partial / f"{name}.npy", mode="w+", dtype=np.float16, shape=shape)
            for name, shape in shapes.items()
        }

    def _open_drafts(self) -> _Drafts:
        drafts = {}
        for name in self._progress()["arrays"]:
            try:
                draft = np.lib.format.open_memmap(self._partial / f"{name}.npy", mode="r+")
            except (OSError, ValueError):
                return {}
            if draft.dtype != np.float16 or len(draft) != self.rows:
                return {}
            drafts[name] = draft
        return drafts

    def _write(self, drafts: _Drafts, block: Block, start: int) -> int:
        count = 0
        for name, values in block.items():
            with np.errstate(over="ignore"):
                rounded = values.astype(np.float16)
            if not (finite := np.isfinite(rounded.reshape(len(rounded), -1)).all(axis=1)).all():
                row = start + int(np.argmin(finite))
                raise ValueError(f"{self.path.name}: '{name}' of row {row} is not finite in float16")
            count = len(rounded)
            drafts[name][start : start + count] = rounded
        return count

    def _keep(self, drafts: _Drafts, done: int) -> None:
        for draft in drafts.values():
            draft.flush()  # before the note that says so
        note = {"identity": self.identity, "rows": self.rows, "done": done, "arrays": list(drafts)}
        write_atomically(self._partial / "progress.json", json.dumps(note))

    def _finish(self, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, StoredArray]:
        meta = {"format": _FORMAT, "identity": self.identity, "rows": self.rows, "arrays": shapes}
        write_atomically(self._partial / "meta.json", json.dumps(meta, indent=1) + "\n")
        shutil.rmtree(self.path, ignore_errors=True)  # damaged, or we would not be here
        self._partial.rename(self.path)
        (self.path / "progress.json").unlink(missing_ok=True)
        return {name: StoredArray(self.path / f"{name}.npy", self.rows, shape) for name, shape in shapes.items()}

    def _finished_rows(self) -> int:
        return int(self._progress().get("done", 0))

    def _progress(self) -> dict[str, Any]:
        try:
            note = json.loads((self._partial / "progress.json").read_text(encoding="utf-8"))
            matches = (note["identity"], note["rows"]) == (self.identity, self.rows)
        except (OSError, ValueError, KeyError, TypeError):
            return {}
        return dict(note) if matches else {}

    @property
    def _partial(self) -> Path:
        return self.path.with_name(f"{self.path.name}.partial")
