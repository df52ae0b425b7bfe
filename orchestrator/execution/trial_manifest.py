"""Manifest of a trial in an object store: its files with their digests, and the worker that wrote them."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from hashlib import sha256

from orchestrator.execution.locked_trial_dir import WorkerInfo
from orchestrator.execution.retention import Kept

MANIFEST = "manifest.json"
SCHEMA_VERSION = 1


@dataclass(frozen=True)
class StoredFile:
    """A file of a trial's folder.

    Attributes:
        sha256: digest of its content.
        size: bytes.
        object: name of the object with the content; None if the manifest holds the content.
        content: base64; None if an object holds the content.
    """

    sha256: str
    size: int
    object: str | None = None
    content: str | None = None

    @classmethod
    def inline(cls, content: bytes) -> StoredFile:
        """Return a file whose content the manifest holds."""
        return cls(sha256(content).hexdigest(), len(content), content=b64encode(content).decode())

    @property
    def inline_content(self) -> bytes | None:
        """The content that the manifest holds; None if an object holds it."""
        return None if self.content is None else b64decode(self.content)


@dataclass(frozen=True)
class Manifest:
    """Files of a trial's folder, by name, and the worker that wrote them last."""

    writer: WorkerInfo
    files: Mapping[str, StoredFile] = field(default_factory=dict)

    def as_bytes(self) -> bytes:
        """Return two lines: the manifest as JSON, and the SHA-256 of that line."""
        line = json.dumps(
            {
                "schema_version": SCHEMA_VERSION,
                "writer": asdict(self.writer),
                "files": {name: asdict(file) for name, file in self.files.items()},
            }
        )
        return f"{line}\n{sha256(line.encode()).hexdigest()}\n".encode()

    @classmethod
    def parse(cls, content: bytes) -> Manifest | None:
        """Read what `as_bytes` returned; return None if it is truncated, damaged or of another version."""
        try:
            line, digest = content.decode().splitlines()
            values = json.loads(line)
            if sha256(line.encode()).hexdigest() != digest or values["schema_version"] != SCHEMA_VERSION:
                return None
            files = {str(name): StoredFile(**file) for name, file in values["files"].items()}
            return cls(WorkerInfo(**values["writer"]), files)
        except (ValueError, KeyError, TypeError):
            return None

    def sizes(self) -> dict[Kept, int]:
        """Return the bytes of the tensors, by purpose."""
        sizes: dict[Kept, int] = {}
        for name, file in self.files.items():
            if part := part_of(name):
                sizes[part] = sizes.get(part, 0) + file.size
        return sizes


def part_of(name: str) -> Kept | None:
    """Return the purpose of a file; None for small files, which are never dropped."""
    if name.startswith("model/"):
        return "model"
    return "last" if name.startswith("last-") else "best" if name.startswith("best-") else None
