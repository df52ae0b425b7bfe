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

from orchestrator.core.atomic_files import write_file
from orchestrator.core.errors import InputError
from orchestrator.data.cache_folder import make_cache_dir
from orchestrator.data.progress import Progress

if TYPE_CHECKING:
    from numpy.typing import NDArray

CHUNK_ROWS = 256
_FORMAT = 1
_POLL_SECONDS = 0.5

Block = Mapping[str, "NDArray[np.floating[Any] | np.uint8]"]
Produce = Callable[[int], Iterator[Block]]
_Drafts = Mapping[str, "np.memmap[Any, np.dtype[np.float16 | np.uint8]]"]


@dataclass(frozen=True)
class StoredArray:
    """A complete array on disk: `rows` rows of `shape`, float16, or uint8 where it holds pixels."""

    path: Path
    rows: int
    shape: tuple[int, ...]
    dtype: str = "float16"

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        return self.rows * math.prod(self.shape) * np.dtype(self.dtype).itemsize

    def open(self) -> NDArray[np.float16 | np.uint8]:
        """Return the array, (rows, *shape), memory-mapped; writes to it stay in this process."""
        mapped: NDArray[np.float16 | np.uint8] = np.load(self.path, mmap_mode="c")
        if mapped.shape != (self.rows, *self.shape) or mapped.dtype != self.dtype:
            raise ValueError(f"{self.path} holds {mapped.dtype} {mapped.shape}, not {self.rows} rows")
        return mapped


@dataclass(frozen=True)
class ArrayFolder:
    """The arrays of one encoder for one data set; the folder exists once they are complete.

    Until then they grow in `<folder>.partial`, where `progress.json` records how many rows are on the disk.

    Attributes:
        path: the folder; its name is unique to the content.
        identity: what the content depends on; saved with the arrays and compared when they are opened.
        rows: how many rows every array has.
    """

    path: Path
    identity: str
    rows: int

    def open(self) -> dict[str, StoredArray] | None:
        """Return the arrays by name; None if they are incomplete, damaged, or of another identity."""
        try:
            meta = json.loads((self.path / "meta.json").read_text(encoding="utf-8"))
            if (meta["format"], meta["identity"], meta["rows"]) != (_FORMAT, self.identity, self.rows):
                return None
            dtypes = meta.get("dtypes", {})  # of those that are not float16
            arrays = {
                name: StoredArray(self.path / f"{name}.npy", self.rows, tuple(shape), dtypes.get(name, "float16"))
                for name, shape in meta["arrays"].items()
            }
            for array in arrays.values():
                array.open()
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return arrays

    def ensure(self, produce: Produce, progress: Progress, what: str) -> dict[str, StoredArray]:
        """Open the arrays; first compute those that are missing. Only one process at a time computes.

        Args:
            produce: given a row, yields blocks of consecutive rows from that row on, each {name: (B, *shape)}. uint8
                is stored unchanged, everything else as float16.
            progress: called after every block, also while another process computes.
            what: name of the work, passed to `progress`.

        Raises:
            InputError: the disk is full.
            ValueError: values that float16 cannot hold.
        """
        if (ready := self.open()) is not None:
            return ready
        from filelock import FileLock, Timeout

        make_cache_dir(self.path.parent)
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
        return self._finish(drafts)

    def _create_drafts(self, block: Block) -> _Drafts:
        planned = {
            name: StoredArray(self._partial / f"{name}.npy", self.rows, values.shape[1:], _stored_as(values.dtype))
            for name, values in block.items()
        }
        needed = sum(array.nbytes for array in planned.values())
        free = shutil.disk_usage(self._partial).free
        if needed > free:
            raise InputError(
                f"The features need {needed / 1e9:.1f} GB in {self.path.parent}, where {free / 1e9:.1f} GB "
                "are free; make room, or set HYPERASSESS_CACHE to a folder elsewhere."
            )
        return {
            name: np.lib.format.open_memmap(array.path, mode="w+", dtype=array.dtype, shape=(self.rows, *array.shape))
            for name, array in planned.items()
        }

    def _open_drafts(self) -> _Drafts:
        drafts = {}
        for name in self._progress()["arrays"]:
            try:
                draft = np.lib.format.open_memmap(self._partial / f"{name}.npy", mode="r+")
            except (OSError, ValueError):
                return {}
            if draft.dtype != _stored_as(draft.dtype) or len(draft) != self.rows:
                return {}
            drafts[name] = draft
        return drafts

    def _write(self, drafts: _Drafts, block: Block, start: int) -> int:
        count = 0
        for name, values in block.items():
            with np.errstate(over="ignore"):
                rounded = values.astype(_stored_as(values.dtype), copy=False)
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
        write_file(self._partial / "progress.json", json.dumps(note), concurrent=True)

    def _finish(self, drafts: _Drafts) -> dict[str, StoredArray]:
        found = {
            name: StoredArray(self.path / f"{name}.npy", self.rows, draft.shape[1:], str(draft.dtype))
            for name, draft in drafts.items()
        }
        meta: dict[str, Any] = {"format": _FORMAT, "identity": self.identity, "rows": self.rows}
        meta["arrays"] = {name: array.shape for name, array in found.items()}
        if dtypes := {name: array.dtype for name, array in found.items() if array.dtype != "float16"}:
            meta["dtypes"] = dtypes
        write_file(self._partial / "meta.json", json.dumps(meta, indent=1) + "\n", concurrent=True)
        shutil.rmtree(self.path, ignore_errors=True)  # damaged, or we would not be here
        self._partial.rename(self.path)
        (self.path / "progress.json").unlink(missing_ok=True)
        return found

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


def _stored_as(dtype: np.dtype[Any]) -> str:
    return "uint8" if dtype == np.uint8 else "float16"
