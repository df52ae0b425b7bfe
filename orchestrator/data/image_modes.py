"""Conversion of a Pillow image of any mode to RGB."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestrator.data.image_bytes import UnusableImage

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

_BITS, _PHOTOMETRIC = 258, 262
"""TIFF tags: bits of a sample, and the meaning of its values."""
_WHITE_IS_ZERO = 0


def to_rgb(image: Image.Image) -> Image.Image:
    """Convert a loaded image to RGB, transparency on white, values beyond 8 bits scaled to 8 bits.

    Raises:
        UnusableImage: float or 32-bit values that no known range explains.
    """
    from PIL import Image as pillow

    if image.mode.startswith("I;16"):
        return _from_16_bit(image)
    if image.mode == "I":
        return _from_32_bit(image)
    if image.mode == "F":
        return _from_float(image)
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        return pillow.alpha_composite(pillow.new("RGBA", layer.size, "white"), layer).convert("RGB")
    return image.convert("RGB")


def _from_16_bit(image: Image.Image) -> Image.Image:
    """Drop the lower bits: Pillow would clip 16-bit grey at 255 and leave a white image."""
    import numpy as np

    values = np.asarray(image)
    bits = _tiff_tag(image, _BITS) or 16
    grey = (values >> (bits - 8)).astype(np.uint8)
    if _tiff_tag(image, _PHOTOMETRIC) == _WHITE_IS_ZERO:
        grey = 255 - grey
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        grey[values == transparent] = 255
    return _grey(grey)


def has_changed_pixels(image: Image.Image) -> bool:
    """Return whether version 1 of the decoder made other pixels of an image: float, 32-bit, and rare 16-bit ones."""
    if not image.mode.startswith("I;16"):
        return image.mode in {"F", "I"}
    white_is_zero = _tiff_tag(image, _PHOTOMETRIC) == _WHITE_IS_ZERO
    return white_is_zero or (_tiff_tag(image, _BITS) or 16) != 16 or isinstance(image.info.get("transparency"), int)


def _from_32_bit(image: Image.Image) -> Image.Image:
    """Take values up to 255 as 8-bit and up to 65535 as 16-bit; Pillow opens 16-bit PGM in this mode."""
    import numpy as np

    values = np.asarray(image)
    if values.min() < 0 or values.max() > 0xFFFF:
        raise UnusableImage("a 32-bit image with values outside 0 to 65535")
    eight_bit = image.format != "PPM" and values.max() <= 0xFF
    return _grey((values if eight_bit else values >> 8).astype(np.uint8))


def _from_float(image: Image.Image) -> Image.Image:
    """Take values up to 1 as shares of white and up to 255 as 8-bit."""
    import numpy as np

    values = np.asarray(image)
    if not (values.min() >= 0 and values.max() <= 0xFF):  # false for NaN as well
        raise UnusableImage("a float image with values outside 0 to 255")
    if values.max() > 1:
        return image.convert("RGB")
    return _grey((values * 255 + 0.5).astype(np.uint8))


def _grey(values: NDArray[np.uint8]) -> Image.Image:
    from PIL import Image

    return Image.fromarray(values).convert("RGB")


def _tiff_tag(image: Image.Image, tag: int) -> int | None:
    """Return the first value of a TIFF tag; None for other images."""
    tags: Any = getattr(image, "tag_v2", None) or {}
    value = tags.get(tag)
    return value[0] if isinstance(value, tuple) else value
