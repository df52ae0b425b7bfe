"""The files of a checkpoint: an index in JSON with its digest, and safetensors that it names with theirs."""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from orchestrator.core.atomic_files import is_draft, replacing, write_file

SCHEMA_VERSION = 1
INDEX, PREVIOUS = "checkpoint.json", "checkpoint.previous.json"

Part = Literal["last", "best", "spare"]
"""What a folder's tensors are for: the last epoch's state, which a training goes on from; the best epoch's model; and
those of the save before, which count as soon as the newest is found damaged."""
LAST: Part = "last"
BEST: Part = "best"
SPARE: Part = "spare"


class CheckpointError(Exception):
    """A checkpoint that cannot be used, in one sentence."""


@dataclass(frozen=True)
class Entry:
    """A file of tensors, as it was when it was written or checked here."""

    name: str
    sha256: str
    size: int
    mtime_ns: int

    def is_as_it_was(self, path: Path) -> bool:
        """Whether the file still has its size and time."""
        try:
            now = path.stat()
        except OSError:
            return False
        return (now.st_size, now.st_mtime_ns) == (self.size, self.mtime_ns)


def sizes(folder: Path) -> dict[Part, int]:
    """Bytes of the tensors in a folder, by what they are for."""
    parts = {name: part for part, name in _named(folder).items()}
    found: dict[Part, int] = {}
    for path in tensor_files(folder):
        try:
            size = path.stat().st_size
        except FileNotFoundError:
            continue
        part = parts.get(path.name, SPARE)
        found[part] = found.get(part, 0) + size
    return found


def drop(folder: Path, parts: Iterable[Part]) -> int:
    """Removes parts of the checkpoint of a training that has ended, and whatever is spare; gives the bytes freed.

    Nothing goes on from what is left, but a `best` that is kept can still be loaded.
    """
    unwanted = {SPARE, *parts}
    kept = {part: name for part, name in _named(folder).items() if part not in unwanted}
    freed = 0
    for path in tensor_files(folder):
        if path.name in kept.values():
            continue
        try:
            there = path.stat()
        except FileNotFoundError:
            continue
        path.unlink(missing_ok=True)
        # What waits for its upload under a second name takes its room until it has gone out.
        freed += there.st_size if there.st_nlink == 1 else 0
    (folder / PREVIOUS).unlink(missing_ok=True)
    # After the tensors, since on a full disk there is room for it only now.
    if not kept:
        (folder / INDEX).unlink(missing_ok=True)
    else:
        index = read_index(folder / INDEX)
        if kept.keys() != index["files"].keys():
            files = {part: index["files"][part] for part in kept}
            write_file(folder / INDEX, as_index(files, index["meta"]))
    return freed


def _named(folder: Path) -> dict[Part, str]:
    """Without an index nobody knows which file is which."""
    try:
        files = read_index(folder / INDEX)["files"]
    except CheckpointError:
        return {}
    return {part: files[part]["name"] for part in (LAST, BEST) if part in files}


def as_index(files: Mapping[Any, Any], meta: Mapping[str, Any]) -> bytes:
    """The content of an index: part → name and digest of its file, the training's meta, a digest of both."""
    told = _as_json({"schema_version": SCHEMA_VERSION, "files": files, "meta": dict(meta)})
    return f'{told[:-1]}, "sha256": "{sha256(told.encode()).hexdigest()}"}}\n'.encode()


def _as_json(index: Mapping[str, Any]) -> str:
    # Python reads back the very numbers that it wrote, so that an index that was read makes the same text again.
    return json.dumps({key: index[key] for key in ("schema_version", "files", "meta")}, allow_nan=False)


def read_index(path: Path) -> dict[str, Any]:
    """An index with `files` and `meta`; raises CheckpointError where it is missing, damaged or of another version."""
    try:
        index = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise CheckpointError(f"{path.parent} holds no {path.name}, so no checkpoint.") from None
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}.") from error
    version = index.get("schema_version") if isinstance(index, dict) else None
    if version != SCHEMA_VERSION:
        raise CheckpointError(f"{path} has schema version {version}, not {SCHEMA_VERSION}.")
    try:
        meta, files = index["meta"], index["files"]
        if (
            "sha256" in index and index["sha256"] != sha256(_as_json(index).encode()).hexdigest()
        ):  # those of earlier versions have none
            raise CheckpointError(f"{path} is not what was saved: its SHA-256 differs.")
        int(meta["epoch"]), meta["best"] and meta["best"]["epoch"]
        [(entry["name"], entry["sha256"]) for entry in files.values()]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise CheckpointError(f"{path} lacks {error}, so this checkpoint is damaged.") from error
    found: dict[str, Any] = index
    return found


def entry_of(index: Mapping[str, Any], part: str) -> Mapping[str, str]:
    """Name and digest of a part's file; raises CheckpointError where the checkpoint has no such part."""
    entry: Mapping[str, str] | None = index["files"].get(part)
    if entry is None:
        raise CheckpointError(f"This checkpoint of epoch {index['meta']['epoch']} lacks '{part}'.")
    return entry


def tensor_files(folder: Path) -> list[Path]:
    """Files of tensors, and of a killed writer's halves of any file."""
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    return [
        folder / name
        for name in names
        if (name.startswith((LAST, BEST)) and name.endswith(".safetensors")) or is_draft(name)
    ]


def names_in(path: Path) -> set[str]:
    """Names of the files that an index tells of; none where it cannot be read."""
    try:
        return {entry["name"] for entry in read_index(path)["files"].values()}
    except CheckpointError:
        return set()


def keep_as(path: Path, other: Path) -> None:
    """Gives a file, if it is there, a second name, in the place of what had it."""
    try:
        with replacing(other) as link:
            link.unlink(missing_ok=True)
            os.link(path, link)
    except FileNotFoundError:
        return
    except OSError:  # a file system without links
        write_file(other, path.read_bytes())


def read_tensors(folder: Path, entry: Mapping[str, str]) -> tuple[dict[str, Tensor], Entry]:
    """An entry's tensors; raises CheckpointError where they are not what was saved."""
    path = folder / Path(entry["name"]).name
    try:
        there = path.stat()
        content = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}.") from error
    if sha256(content).hexdigest() != entry["sha256"]:
        raise CheckpointError(f"{path} is not what was saved: its SHA-256 differs.")
    try:
        return safetensors.torch.load(content), Entry(path.name, entry["sha256"], there.st_size, there.st_mtime_ns)
    except SafetensorError as error:
        raise CheckpointError(f"{path} holds no tensors: {error}.") from error
