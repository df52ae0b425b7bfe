"""Files of a checkpoint: a JSON index with its own digest, and the safetensors files that it names with digests."""

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
"""Part of a checkpoint that a file of tensors belongs to.

- `last`: the last epoch's state, which a training resumes from
- `best`: the best epoch's model
- `spare`: files of the previous save, used if the newest save is damaged
"""
LAST: Part = "last"
BEST: Part = "best"
SPARE: Part = "spare"


class CheckpointError(Exception):
    """Error for a checkpoint that cannot be used; the message is one sentence.

    Example:
        >>> issubclass(CheckpointError, Exception)
        True
    """


@dataclass(frozen=True)
class Entry:
    """State of a tensor file when this process wrote or checked it.

    Example:
        >>> Entry("last-3.safetensors", sha256=64 * "0", size=10, mtime_ns=0).is_unchanged(Path("missing"))
        False
    """

    name: str
    sha256: str
    size: int
    mtime_ns: int

    def is_unchanged(self, path: Path) -> bool:
        """Return whether the file still has the same size and time of modification."""
        try:
            status = path.stat()
        except OSError:
            return False
        return (status.st_size, status.st_mtime_ns) == (self.size, self.mtime_ns)


def sizes(folder: Path) -> dict[Part, int]:
    """Return the bytes of the tensors in a folder by part.

    Example:
        >>> sizes(Path("missing"))
        {}
    """
    parts = {name: part for part, name in _named(folder).items()}
    by_part: dict[Part, int] = {}
    for path in tensor_files(folder):
        try:
            size = path.stat().st_size
        except FileNotFoundError:
            continue
        part = parts.get(path.name, SPARE)
        by_part[part] = by_part.get(part, 0) + size
    return by_part


def drop(folder: Path, parts: Iterable[Part]) -> int:
    """Delete parts of the checkpoint of a finished training, and all spare files; return the number of bytes freed.

    A training cannot resume from the remaining files, but a `best` that is kept can still be loaded.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> (folder / "last-3.safetensors").write_bytes(b"12345")
        5
        >>> drop(folder, [LAST])
        5
    """
    unwanted = {SPARE, *parts}
    kept = {part: name for part, name in _named(folder).items() if part not in unwanted}
    freed = 0
    for path in tensor_files(folder):
        if path.name in kept.values():
            continue
        try:
            status = path.stat()
        except FileNotFoundError:
            continue
        path.unlink(missing_ok=True)
        # A file that waits for its upload has a second link and takes its space until it is uploaded.
        freed += status.st_size if status.st_nlink == 1 else 0
    (folder / PREVIOUS).unlink(missing_ok=True)
    # After the tensors, because a full disk has no space for the index before.
    if not kept:
        (folder / INDEX).unlink(missing_ok=True)
    else:
        index = read_index(folder / INDEX)
        if kept.keys() != index["files"].keys():
            files = {part: index["files"][part] for part in kept}
            write_file(folder / INDEX, as_index(files, index["meta"]))
    return freed


def _named(folder: Path) -> dict[Part, str]:
    """Return the file names by part; empty if the index cannot be read."""
    try:
        files = read_index(folder / INDEX)["files"]
    except CheckpointError:
        return {}
    return {part: files[part]["name"] for part in (LAST, BEST) if part in files}


def as_index(files: Mapping[Any, Any], meta: Mapping[str, Any]) -> bytes:
    """Serialize an index: part → name and digest of its file, the training's meta, and a digest of both.

    Example:
        >>> sorted(json.loads(as_index({}, {"epoch": 3, "best": None})))
        ['files', 'meta', 'schema_version', 'sha256']
    """
    content = _as_json({"schema_version": SCHEMA_VERSION, "files": files, "meta": dict(meta)})
    return f'{content[:-1]}, "sha256": "{sha256(content.encode()).hexdigest()}"}}\n'.encode()


def _as_json(index: Mapping[str, Any]) -> str:
    # Python parses floats to exactly the numbers it wrote, so an index that was read serializes to the same text.
    return json.dumps({key: index[key] for key in ("schema_version", "files", "meta")}, allow_nan=False)


def read_index(path: Path) -> dict[str, Any]:
    """Read an index with `files` and `meta`.

    Raises:
        CheckpointError: the index is missing, damaged or of another version.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / INDEX
        >>> write_file(path, as_index({}, {"epoch": 3, "best": None}))
        >>> read_index(path)["meta"]["epoch"]
        3
    """
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
        # An index of an earlier version has no digest.
        if "sha256" in index and index["sha256"] != sha256(_as_json(index).encode()).hexdigest():
            raise CheckpointError(f"{path} is not what was saved: its SHA-256 differs.")
        int(meta["epoch"]), meta["best"] and meta["best"]["epoch"]
        [(entry["name"], entry["sha256"]) for entry in files.values()]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise CheckpointError(f"{path} lacks {error}, so this checkpoint is damaged.") from error
    checked: dict[str, Any] = index
    return checked


def entry_of(index: Mapping[str, Any], part: str) -> Mapping[str, str]:
    """Return name and digest of a part's file.

    Raises:
        CheckpointError: the checkpoint has no such part.

    Example:
        >>> entry_of({"files": {"last": {"name": "last-3.safetensors", "sha256": "…"}}}, LAST)["name"]
        'last-3.safetensors'
    """
    entry: Mapping[str, str] | None = index["files"].get(part)
    if entry is None:
        raise CheckpointError(f"This checkpoint of epoch {index['meta']['epoch']} lacks '{part}'.")
    return entry


def tensor_files(folder: Path) -> list[Path]:
    """List the tensor files of a folder, and the drafts of killed writers.

    Example:
        >>> tensor_files(Path("missing"))
        []
    """
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
    """Return the names of the files in an index; empty if it cannot be read.

    Example:
        >>> names_in(Path("missing") / INDEX)
        set()
    """
    try:
        return {entry["name"] for entry in read_index(path)["files"].values()}
    except CheckpointError:
        return set()


def keep_as(path: Path, other: Path) -> None:
    """Link a file, if it exists, under a second name, and replace the file of that name.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> (folder / INDEX).touch()
        >>> keep_as(folder / INDEX, folder / PREVIOUS)
        >>> (folder / PREVIOUS).exists()
        True
    """
    try:
        with replacing(other) as link:
            link.unlink(missing_ok=True)
            os.link(path, link)
    except FileNotFoundError:
        return
    except OSError:  # a file system without links
        write_file(other, path.read_bytes())


def read_tensors(folder: Path, entry: Mapping[str, str]) -> tuple[dict[str, Tensor], Entry]:
    """Read the tensors of an entry and check their digest.

    Raises:
        CheckpointError: the file cannot be read or its digest differs.

    Example:
        >>> read_tensors(Path("missing"), {"name": "last-3.safetensors", "sha256": "…"})
        Traceback (most recent call last):
        ...
        orchestrator.training.checkpoint_files.CheckpointError: missing/last-3.safetensors cannot be read: No such
        file or directory.
    """
    path = folder / Path(entry["name"]).name
    try:
        status = path.stat()
        content = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}.") from error
    if sha256(content).hexdigest() != entry["sha256"]:
        raise CheckpointError(f"{path} is not what was saved: its SHA-256 differs.")
    try:
        return safetensors.torch.load(content), Entry(path.name, entry["sha256"], status.st_size, status.st_mtime_ns)
    except SafetensorError as error:
        raise CheckpointError(f"{path} holds no tensors: {error}.") from error
