"""Conversion of an opened image of any mode to the pixels that a network takes."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

TRANSFORM = "upright, over white, RGB, whole image to a square by Pillow's antialiased bicubic"
CROPPED = "upright, over white, RGB, shorter side by Pillow's antialiased bicubic, middle square"


def to_pixels(image: Image.Image, size: int) -> NDArray[np.uint8]:
    """Convert an image to pixels (3, size, size).

    The image is rotated by its EXIF tag, composited over white if it has transparency, and resized as a whole.
    Objects at the border of an image count for its alignment with the prompt, so nothing is cropped.

    Example:
        >>> to_pixels(Image.new("RGB", (512, 384)), 224).shape
        (3, 224, 224)
    """
    return _channels_first(_resized(_upright(image), size, size))


def to_cropped_pixels(image: Image.Image, size: int) -> NDArray[np.uint8]:
    """Convert the middle of an image to pixels (3, size, size), its shorter side resized to `size`.

    For networks that were trained on such pixels. Rounding is that of torchvision's Resize and CenterCrop.

    Example:
        >>> to_cropped_pixels(Image.new("RGB", (512, 384)), 224).shape
        (3, 224, 224)
    """
    image = _upright(image)
    shorter = min(image.size)
    width, height = (size if side == shorter else int(size * side / shorter) for side in image.size)
    left, top = round((width - size) / 2), round((height - size) / 2)
    return _channels_first(_resized(image, width, height).crop((left, top, left + size, top + size)))


def _upright(image: Image.Image) -> Image.Image:
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16"):
        # Pillow would clip 16-bit grey at 255 and not scale it.
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def _resized(image: Image.Image, width: int, height: int) -> Image.Image:
    return image if image.size == (width, height) else image.resize((width, height), Image.Resampling.BICUBIC)


def _channels_first(image: Image.Image) -> NDArray[np.uint8]:
    return np.ascontiguousarray(np.asarray(image, dtype=np.uint8).transpose(2, 0, 1))
