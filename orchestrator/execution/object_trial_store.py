"""Trials as objects: workers anywhere resume a trial from what its earlier worker uploaded.

Each trial has one manifest, which names every file with its digest and holds the small files itself. Tensors are
objects whose names are never written twice. A manifest is replaced in one step, after the objects that it names. An
upload that is killed at any moment leaves the previous manifest and all objects that it names.
"""

from __future__ import annotations

import math
import os
import shutil
import socket
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from orchestrator.core.atomic_files import is_draft, write_file
from orchestrator.core.object_store import ObjectStore
from orchestrator.data.cache_folder import cache_dir
from orchestrator.execution.locked_trial_dir import JOB, TrialDirLocked, WorkerInfo
from orchestrator.execution.retention import Kept
from orchestrator.execution.trial_manifest import MANIFEST, Manifest, StoredFile, part_of
from orchestrator.execution.trial_store import TrialFolder, TrialStore, all_files

_SCRATCH = "scratch"
_INLINE = 1 << 16
"""Bytes up to which a file is held by the manifest."""
_LOCAL = ("worker.json", "stacks.txt", "checkpoint.previous.json")
"""Files that are not uploaded: those of the worker's process, and the previous save, which protects from a damaged
disk only."""


class ObjectTrialStore(TrialStore):
    """Trials in a folder or bucket outside the sweep's folder; driver and workers have copies.

    Args:
        objects: of this sweep only.
    """

    def __init__(self, objects: ObjectStore) -> None:
        self.objects = objects

    def check(self) -> None:
        """Write, read and remove an object."""
        self.objects.check()

    def open_folder(self, key: str) -> TrialFolder:
        """Return a new empty folder in this node's cache."""
        return TrialSync(self, key, new_scratch_dir())

    def writer(self, key: str) -> WorkerInfo | None:
        """Return the writer of the trial's manifest."""
        manifest = self.manifest(key)
        return manifest.writer if manifest else None

    def local_writer(self, key: str) -> WorkerInfo | None:
        """Return None: only the store knows."""
        return None

    def manifest(self, key: str) -> Manifest | None:
        """Return a trial's manifest, or None if it is missing or damaged; raise ObjectStoreUnavailable."""
        content = self.objects.read(f"{key}/{MANIFEST}")
        return Manifest.parse(content) if content else None

    def fetch(self, key: str, folder: Path, wanted: Callable[[str], bool] = all_files) -> bool:
        """Download a trial's files; skip a file that is missing or is not what was saved."""
        return self.download(key, folder, wanted) is not None

    def download(self, key: str, folder: Path, wanted: Callable[[str], bool] = all_files) -> Manifest | None:
        """Do what `fetch` does and return the manifest."""
        manifest = self.manifest(key)
        for name, file in manifest.files.items() if manifest else ():
            path = folder / name
            if ".." in Path(name).parts or not wanted(name) or _is_saved_as(path, file):
                continue
            content = file.inline_content
            if content is None:
                content = self.objects.read(f"{key}/{file.object}")
            if content is not None and sha256(content).hexdigest() == file.sha256:
                write_file(path, content)
        return manifest

    def sizes(self, key: str) -> dict[Kept, int]:
        """Sum the sizes that the manifest states."""
        manifest = self.manifest(key)
        return manifest.sizes() if manifest else {}

    def drop(self, key: str, parts: Iterable[Kept]) -> int:
        """Remove files from the manifest, then their objects; return the bytes freed in the store."""
        manifest = self.manifest(key)
        if manifest is None:
            return 0
        unwanted = set(parts)
        dropped = {name: file for name, file in manifest.files.items() if part_of(name) in unwanted}
        if dropped:
            left = {name: file for name, file in manifest.files.items() if name not in dropped}
            self.objects.write(f"{key}/{MANIFEST}", Manifest(manifest.writer, left).as_bytes())
            self.objects.remove(f"{key}/{file.object}" for file in dropped.values() if file.object)
        return sum(file.size for file in dropped.values())

    def free_bytes(self) -> float:
        """Return infinity."""
        return math.inf

    def remove_all(self) -> None:
        """Remove every object of the sweep."""
        self.objects.remove_all()


class TrialSync(TrialFolder):
    """Synchronisation of a trial's local folder with its objects.

    Args:
        store: of the sweep.
        key: of the trial.
        scratch: folder of this worker alone; it holds the trial's folder and is deleted with it.
    """

    def __init__(self, store: ObjectTrialStore, key: str, scratch: Path) -> None:
        self.path = scratch / key
        self._store = store
        self._key = key
        self._worker = WorkerInfo()
        self._previous: Manifest | None = None
        self._stamps: dict[str, tuple[int, int]] = {}
        self._uploaded: set[str] = set()

    def fetch(self) -> None:
        """Download the trial and take it over; raise ObjectStoreUnavailable."""
        self.path.mkdir(parents=True, exist_ok=True)
        self._previous = self._store.download(self._key, self.path)
        self._upload()

    def save(self) -> None:
        """Upload what is new, unless another worker has taken the trial over."""
        self._check_writer()
        if JOB in self._stamps and not (self.path / JOB).is_file():  # what is left must not replace what is stored
            raise TrialDirLocked(f"{self.path} was emptied by somebody else.")
        self._upload(self._check_writer)

    def close(self) -> None:
        """Delete the local copy."""
        shutil.rmtree(self.path.parent, ignore_errors=True)

    def _check_writer(self) -> None:
        writer = self._store.writer(self._key)
        if writer is not None and writer.token != self._worker.token:
            raise TrialDirLocked(f"{self._key} is written to by pid {writer.pid} on {writer.host} now.")

    def _upload(self, check: Callable[[], None] = lambda: None) -> None:
        """Upload files, call `check`, then replace the manifest.

        Large files take a while, during which another worker may take the trial over.
        """
        previous = self._previous.files if self._previous else {}
        files: dict[str, StoredFile] = {}
        stamps: dict[str, tuple[int, int]] = {}
        for path in sorted(self.path.rglob("*")):
            name = path.relative_to(self.path).as_posix()
            if not path.is_file() or path.name.startswith(".") or name in _LOCAL or is_draft(path):
                continue
            status = path.stat()
            stamps[name] = (status.st_size, status.st_mtime_ns)
            if self._stamps.get(name) == stamps[name] and name in previous:
                files[name] = previous[name]
            else:
                files[name] = self._put(name, path.read_bytes())
        check()
        manifest = Manifest(self._worker, files)
        self._store.objects.write(f"{self._key}/{MANIFEST}", manifest.as_bytes())
        named = _objects(files)
        self._store.objects.remove(f"{self._key}/{name}" for name in (self._uploaded | _objects(previous)) - named)
        self._uploaded = named
        self._previous, self._stamps = manifest, stamps

    def _put(self, name: str, content: bytes) -> StoredFile:
        if len(content) <= _INLINE and not name.endswith(".safetensors"):
            return StoredFile.inline(content)
        digest = sha256(content).hexdigest()
        # Under this worker's token: a replaced worker that does not know it yet removes none of ours.
        target = f"{self._worker.token}/{digest[:16]}-{name.replace('/', '-')}"
        self._uploaded.add(target)
        self._store.objects.write(f"{self._key}/{target}", content)
        return StoredFile(digest, len(content), object=target)


def new_scratch_dir() -> Path:
    """Create a folder for one job of this process; delete those of this host's dead processes.

    The cache may be a volume of many hosts, and a process number is unique on its host only.
    """
    parent = cache_dir() / _SCRATCH / socket.gethostname()
    parent.mkdir(parents=True, exist_ok=True)
    for path in parent.iterdir():
        pid = path.name.partition("-")[0]
        if pid.isdigit() and not Path("/proc", pid).exists():
            shutil.rmtree(path, ignore_errors=True)
    number = 0
    while True:
        with suppress(FileExistsError):
            path = parent / f"{os.getpid()}-{number}"
            path.mkdir()
            return path
        number += 1


def _objects(files: Mapping[str, StoredFile]) -> set[str]:
    return {file.object for file in files.values() if file.object}


def _is_saved_as(path: Path, file: StoredFile) -> bool:
    try:
        content = path.read_bytes()
    except OSError:
        return False
    return len(content) == file.size and sha256(content).hexdigest() == file.sha256
