"""The cache folder: files that can be computed again are kept there between runs."""

from __future__ import annotations

import os
from pathlib import Path

from orchestrator.core.errors import InputError, reason


def cache_dir() -> Path:
    """Return $HYPERASSESS_CACHE, or the user's cache folder. Everything in it can be computed again."""
    chosen = os.environ.get("HYPERASSESS_CACHE")
    if chosen:
        return Path(chosen).expanduser().absolute()
    import platformdirs

    return Path(platformdirs.user_cache_dir("hyperassess"))


def make_cache_dir(folder: Path) -> None:
    """Create a folder in the cache.

    Raises:
        InputError: it cannot be written; the message says what to set.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK | os.X_OK)
        why = "permission denied"
    except OSError as error:
        writable, why = False, reason(error)
    if not writable:
        raise InputError(f"{folder} cannot be written ({why}): set HYPERASSESS_CACHE to a folder elsewhere.")
