"""Small pictures inside the page, so that it needs no image file."""

from __future__ import annotations

import base64
import os
from functools import lru_cache
from io import BytesIO

from orchestrator.data.image_bytes import UnusableImage

SIDE = 160
"""Longer side in pixels."""

_QUALITY = 72


def thumbnail(path: str) -> str | None:
    """Return an image file as a `data:` address of a small JPEG; None if it is missing or cannot be decoded."""
    try:
        changed = os.stat(path).st_mtime_ns
    except (OSError, ValueError):  # ValueError: a NUL in the path
        return None
    return _encode(path, changed)


@lru_cache(maxsize=512)
def _encode(path: str, changed: int) -> str | None:
    from orchestrator.data.decode_image import open_image

    try:
        image = open_image(path)
    except (UnusableImage, OSError):
        return None
    image.thumbnail((SIDE, SIDE))
    buffer = BytesIO()
    image.save(buffer, "JPEG", quality=_QUALITY, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
