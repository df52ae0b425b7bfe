"""Folders in the cache, see `models.cache_folder`, whose errors say what to set."""

from __future__ import annotations

import os
from pathlib import Path

from models.cache_folder import cache_dir
from orchestrator.core.errors import InputError, reason

__all__ = ["cache_dir", "make_cache_dir"]


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
