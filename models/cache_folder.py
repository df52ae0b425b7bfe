"""The cache folder: files that can be computed again are kept there between runs."""

import os
from pathlib import Path


def cache_dir() -> Path:
    """Return $HYPERASSESS_CACHE, or the user's cache folder. Everything in it can be computed again.

    Example:
        >>> cache_dir().is_absolute()
        True
    """
    chosen = os.environ.get("HYPERASSESS_CACHE")
    if chosen:
        return Path(chosen).expanduser().absolute()
    import platformdirs

    return Path(platformdirs.user_cache_dir("hyperassess"))
