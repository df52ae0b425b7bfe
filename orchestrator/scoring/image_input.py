"""Images in any form: a path, an opened image, an array, bytes, or bytes encoded as base64."""

from __future__ import annotations

import base64
import binascii
import os
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from orchestrator.data.decode_image import UnusableImage, decode_image, open_image, plain_image
from orchestrator.data.image_paths import URL_REASON, is_url

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    ImageInput: TypeAlias = str | Path | bytes | Image.Image | NDArray[np.generic]

_SHORTEST_BASE64 = 64
"""Characters; a shorter text is a path of a missing file, not base64 of an image. The smallest PNG has 90."""
_LONGEST_PATH = 4096
"""Characters; a longer text is not a path."""


def open_image_input(source: ImageInput) -> Image.Image:
    """Open an image like `open_image`: upright, RGB, transparency over white, without metadata.

    Accepted forms:

    - a path; URLs are not fetched
    - a `data:` URL, or base64 of an image file
    - the bytes of an image file
    - a Pillow image
    - an array of uint8 with shape (H, W), (H, W, 3) or (H, W, 4)

    Raises:
        UnusableImage: the image cannot be scored; the message is the reason.

    Example:
        >>> import numpy as np
        >>> open_image_input(np.zeros((48, 64), np.uint8)).size
        (64, 48)
        >>> open_image_input("missing.png")
        Traceback (most recent call last):
        ...
        orchestrator.data.image_bytes.UnusableFile: missing
    """
    from PIL import Image

    if isinstance(source, Path):
        return open_image(source)
    if isinstance(source, str):
        return _from_text(source)
    if isinstance(source, (bytes, bytearray, memoryview)):
        return decode_image(bytes(source))
    return plain_image(source if isinstance(source, Image.Image) else _from_array(source))


def image_name(source: ImageInput, number: int) -> str:
    """Return the name of an image in a table: the path as passed, else its number, counted from 1.

    Example:
        >>> image_name("fox.png", 1), image_name(b"...", 2)
        ('fox.png', 'image 2')
    """
    return str(source) if isinstance(source, Path) or _is_path(source) else f"image {number}"


def _is_path(source: ImageInput) -> bool:
    return isinstance(source, str) and not source.startswith("data:") and _as_bytes(source) is None


def _from_text(text: str) -> Image.Image:
    if is_url(text):
        raise UnusableImage(URL_REASON)
    content = _as_bytes(text)
    return open_image(text) if content is None else decode_image(content)


def _as_bytes(text: str) -> bytes | None:
    """Decode a data URL or base64; return None for any other text, which is a path."""
    url = text.startswith("data:")
    if not url and (len(text) < _SHORTEST_BASE64 or (len(text) < _LONGEST_PATH and os.path.exists(text))):
        return None
    head, _, coded = text.partition(",") if url else ("", "", text)
    try:
        if url and not head.endswith(";base64"):
            raise binascii.Error
        return base64.b64decode("".join(coded.split()), validate=True)
    except (binascii.Error, ValueError):
        if url:
            raise UnusableImage("a data URL that is not base64") from None
        return None


def _from_array(array: NDArray[np.generic]) -> Image.Image:
    import numpy as np
    from PIL import Image

    pixels = np.asarray(array)
    if pixels.dtype != np.uint8 or pixels.ndim not in {2, 3} or (pixels.ndim == 3 and pixels.shape[2] not in {3, 4}):
        raise UnusableImage(f"an array {pixels.shape} of {pixels.dtype}, not (H, W[, 3 or 4]) of uint8")
    if not pixels.size:
        raise UnusableImage("an empty array")
    return Image.fromarray(pixels)
