"""A trial's folder as objects: what one worker leaves there, another one anywhere goes on from.

Each trial has one manifest, which names every file with its digest and holds the small ones itself. Tensors are
objects of names that are never written twice. A manifest is replaced in one step, after the objects that it names:
killed at any moment, an upload leaves the manifest of before, and everything that one names.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path

from orchestrator.core.atomic_files import is_draft, write_file
from orchestrator.core.object_store import ObjectStore
from orchestrator.execution.retention import Kept
from orchestrator.execution.trial_dir import JOB, TrialDirLocked, WorkerInfo

MANIFEST = "manifest.json"
SCHEMA_VERSION = 1
_INLINE = 1 << 16
_OWN = ("worker.json", "stacks.txt", "checkpoint.previous.json")
"""Of the process that writes; and the save before, which no damaged disk makes necessary here."""


@dataclass(frozen=True)
class StoredFile:
    """A file of a trial's folder.

    Attributes:
        sha256: of its content.
        size: bytes.
        object: that holds it; None where the manifest does.
        content: base64; None where an object holds it.
    """

    sha256: str
    size: int
    object: str | None = None
    content: str | None = None


@dataclass(frozen=True)
class Manifest:
    """What a trial's folder holds, and who wrote it."""

    writer: WorkerInfo
    files: Mapping[str, StoredFile] = field(default_factory=dict)

    def as_bytes(self) -> bytes:
        """With a digest of its own."""
        told = json.dumps(
            {
                "schema_version": SCHEMA_VERSION,
                "writer": asdict(self.writer),
                "files": {name: asdict(file) for name, file in self.files.items()},
            }
        )
        return f"{told}\n{sha256(told.encode()).hexdigest()}\n".encode()

    @classmethod
    def parse(cls, content: bytes) -> Manifest | None:
        """The inverse; None of what is torn, damaged or of another version."""
        try:
            told, digest = content.decode().splitlines()
            found = json.loads(told)
            if sha256(told.encode()).hexdigest() != digest or found["schema_version"] != SCHEMA_VERSION:
                return None
            files = {str(name): StoredFile(**file) for name, file in found["files"].items()}
            return cls(WorkerInfo(**found["writer"]), files)
        except (ValueError, KeyError, TypeError):
            return None

    def part(self, name: str) -> Kept | None:
        """What a file is kept for; None for small ones that stay."""
        if name.startswith("model/"):
            return "model"
        return "last" if name.startswith("last-") else "best" if name.startswith("best-") else None


@dataclass(frozen=True)
class TrialStore:
    """The trials of one sweep in a storage."""

    storage: ObjectStore

    def manifest(self, key: str) -> Manifest | None:
        """A trial's; None where there is none that can be read. Raises ObjectStoreUnavailable."""
        content = self.storage.read(f"{key}/{MANIFEST}")
        return Manifest.parse(content) if content else None

    def fetch(self, key: str, folder: Path, wanted: Callable[[str], bool] = lambda name: True) -> Manifest | None:
        """Brings a trial's files into a folder; one that is missing or is not what was saved is left out.

        Args:
            key: of the trial.
            folder: made where it is not there; what it holds already is not fetched again.
            wanted: given a name, whether to bring it.

        Returns:
            The manifest; None where the trial has left nothing.

        Raises:
            ObjectStoreUnavailable: the store does not answer.
        """
        manifest = self.manifest(key)
        for name, file in manifest.files.items() if manifest else ():
            path = folder / name
            if ".." in Path(name).parts or not wanted(name) or _holds(path, file):
                continue
            content = b64decode(file.content) if file.content is not None else self.storage.read(f"{key}/{file.object}")
            if content is None or sha256(content).hexdigest() != file.sha256:
                continue
            write_file(path, content)
        return manifest

    def sizes(self, key: str) -> dict[Kept, int]:
        """Bytes in the store, by what they are for; raises ObjectStoreUnavailable."""
        found: dict[Kept, int] = {}
        manifest = self.manifest(key)
        for name, file in manifest.files.items() if manifest else ():
            if part := manifest.part(name) if manifest else None:
                found[part] = found.get(part, 0) + file.size
        return found

    def drop(self, key: str, parts: Iterable[Kept]) -> None:
        """Removes parts of a trial that has ended; raises ObjectStoreUnavailable."""
        manifest = self.manifest(key)
        if manifest is None:
            return
        unwanted = set(parts)
        gone = {name: file for name, file in manifest.files.items() if manifest.part(name) in unwanted}
        if gone:
            left = {name: file for name, file in manifest.files.items() if name not in gone}
            self.storage.write(f"{key}/{MANIFEST}", Manifest(manifest.writer, left).as_bytes())
            self.storage.remove(f"{key}/{file.object}" for file in gone.values() if file.object)


class TrialSync:
    """Brings a trial's folder to the worker that has it now, and what it writes there to the store.

    Args:
        storage: of the sweep.
        key: of the trial.
        folder: this worker's own, and nobody else's.
        card: who it is.
    """

    def __init__(self, storage: TrialStore, key: str, folder: Path, card: WorkerInfo | None = None) -> None:
        self._storage = storage
        self._key = key
        self._folder = folder
        self._card = card or WorkerInfo()
        self._before: Manifest | None = None
        self._seen: dict[str, tuple[int, int]] = {}
        self._uploaded: set[str] = set()

    def begin(self) -> None:
        """Fetches what there is and takes the trial over; raises ObjectStoreUnavailable."""
        self._before = self._storage.fetch(self._key, self._folder)
        self._save()

    def save(self) -> None:
        """Brings what is new in the folder to the store.

        Raises:
            TrialDirLocked: another worker has taken the trial over, or somebody has emptied the folder.
            ObjectStoreUnavailable: the store does not answer; it holds what it held.
        """
        self._check_writer()
        if JOB in self._seen and not (self._folder / JOB).is_file():  # what is left must not replace what is stored
            raise TrialDirLocked(f"{self._folder} was emptied by somebody else.")
        self._save(self._check_writer)

    def _check_writer(self) -> None:
        there = self._storage.manifest(self._key)
        if there is not None and there.writer.token != self._card.token:
            raise TrialDirLocked(f"{self._key} is written to by pid {there.writer.pid} on {there.writer.host} now.")

    def _save(self, check: Callable[[], None] = lambda: None) -> None:
        """Uploads, then `check`s, then says so in the manifest: large files take a while, in which others may come."""
        store, key = self._storage.storage, self._key
        before = self._before.files if self._before else {}
        mine = self._seen
        files: dict[str, StoredFile] = {}
        seen: dict[str, tuple[int, int]] = {}
        for path in sorted(self._folder.rglob("*")):
            name = path.relative_to(self._folder).as_posix()
            if not path.is_file() or path.name.startswith(".") or name in _OWN or is_draft(path):
                continue
            there = path.stat()
            seen[name] = (there.st_size, there.st_mtime_ns)
            if mine.get(name) == seen[name] and name in before:
                files[name] = before[name]
            else:
                files[name] = self._put(name, path.read_bytes())
        check()
        store.write(f"{key}/{MANIFEST}", Manifest(self._card, files).as_bytes())
        named = {file.object for file in files.values() if file.object}
        store.remove(f"{key}/{name}" for name in (self._uploaded | _objects(before)) - named)
        self._uploaded = named
        self._before, self._seen = Manifest(self._card, files), seen

    def _put(self, name: str, content: bytes) -> StoredFile:
        digest = sha256(content).hexdigest()
        if len(content) <= _INLINE and not name.endswith(".safetensors"):
            return StoredFile(digest, len(content), content=b64encode(content).decode())
        # Under this worker's token: one that does not know yet that the trial is another's removes none of ours.
        where = f"{self._card.token}/{digest[:16]}-{name.replace('/', '-')}"
        self._uploaded.add(where)
        self._storage.storage.write(f"{self._key}/{where}", content)
        return StoredFile(digest, len(content), object=where)


def _objects(files: Mapping[str, StoredFile]) -> set[str]:
    return {file.object for file in files.values() if file.object}


def _holds(path: Path, file: StoredFile) -> bool:
    try:
        there = path.read_bytes()
    except OSError:
        return False
    return len(there) == file.size and sha256(there).hexdigest() == file.sha256


def trials_of(storage_path: str | None, name: str, id: str) -> TrialStore | None:
    """Where a sweep's trials are kept; None where they are in its own folder."""
    return TrialStore(ObjectStore(storage_path).under(f"{name}-{id}")) if storage_path else None
