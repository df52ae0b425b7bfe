"""Where things that can be computed again are kept between runs."""

from __future__ import annotations

import os
from pathlib import Path


def cache_dir() -> Path:
    """$HYPERASSESS_CACHE, else the user's cache folder: what lies there can be computed again."""
    chosen = os.environ.get("HYPERASSESS_CACHE")
    if chosen:
        return Path(chosen).expanduser().absolute()
    import platformdirs

    return Path(platformdirs.user_cache_dir("hyperassess"))
