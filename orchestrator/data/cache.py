"""Where things that can be computed again are kept between runs."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def cache_dir() -> Path:
    """$HYPERASSESS_CACHE, else the user's cache folder: what lies there can be computed again."""
    chosen = os.environ.get("HYPERASSESS_CACHE")
    if chosen:
        return Path(chosen).expanduser().absolute()
    import platformdirs

    return Path(platformdirs.user_cache_dir("hyperassess"))


def write_atomically(path: Path, content: str) -> None:
    """Write a text file; a reader, or the next run after a kill, sees the old one or the new, never half."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(content)
        os.replace(draft, path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise
