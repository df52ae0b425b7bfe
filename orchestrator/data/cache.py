"""The cache folder: files that can be computed again are kept there between runs."""

from __future__ import annotations

import os
from pathlib import Path


def cache_dir() -> Path:
    """Return $HYPERASSESS_CACHE, or the user's cache folder. Everything in it can be computed again."""
    chosen = os.environ.get("HYPERASSESS_CACHE")
    if chosen:
        return Path(chosen).expanduser().absolute()
    import platformdirs

    return Path(platformdirs.user_cache_dir("hyperassess"))
