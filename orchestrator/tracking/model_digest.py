"""SHA-256 of a saved model's folder; stored with the registered version and checked on load."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path


def folder_digest(folder: Path) -> str:
    """Return the SHA-256, in hexadecimal, of the names and contents of a folder's files, without the folder's path.

    Raises:
        OSError: the folder is empty, or a file cannot be read.
    """
    digest = sha256()
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    if not names:
        raise FileNotFoundError(f"{folder} holds no file")
    for name in names:
        content = (folder / name).read_bytes()
        # The lengths separate names and contents.
        digest.update(f"{len(name.encode())}:{name}:{len(content)}:".encode())
        digest.update(content)
    return digest.hexdigest()
