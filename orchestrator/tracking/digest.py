"""What a saved model's files come to, in one hash: a registered version says it, and whoever loads it compares."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path


def folder_digest(folder: Path) -> str:
    """Hash over the files of a folder: their names in it, sorted, and their bytes; where it lies plays no part.

    Raises:
        OSError: the folder or a file of it cannot be read.
    """
    total = sha256()
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    if not names:
        raise FileNotFoundError(f"{folder} holds no file")
    for name in names:
        content = (folder / name).read_bytes()
        # With their lengths, no name or file can run into the next.
        total.update(f"{len(name.encode())}:{name}:{len(content)}:".encode())
        total.update(content)
    return total.hexdigest()
