"""Hashes of weight files, which say whether features were made by the same weights."""

import hashlib
from functools import cache
from pathlib import Path


@cache
def sha256(*files: Path) -> str:
    """SHA-256, in hex, of the files' contents one after the other; read once in the life of a process."""
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()
