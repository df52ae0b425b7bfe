"""Conversion of a decoded image to the pixels that a network takes."""

from math import ceil

import numpy as np
from numpy.typing import NDArray
from PIL import Image

TRANSFORM = "upright, over white, RGB, whole image to a square by Pillow's antialiased bicubic"
CROPPED = "upright, over white, RGB, shorter side by Pillow's antialiased bicubic, middle square"

_LARGEST_INTERMEDIATE = 2**26
"""Pixels, 256 MB; a larger image is not resized as a whole to crop its middle."""
_LONGEST_SIDE = 2**17
"""Pixels; Pillow needs gigabytes, or raises MemoryError, to resize a longer strip at once."""


def to_pixels(image: Image.Image, size: int) -> NDArray[np.uint8]:
    """Convert an image to pixels (3, size, size), resized as a whole.

    Objects at the border of an image count for its alignment with the prompt, so nothing is cropped.

    Args:
        image: RGB and upright, as `orchestrator.data.open_image` returns it.
        size: of the square.

    Raises:
        ValueError: the image is not RGB.

    Example:
        >>> to_pixels(Image.new("RGB", (512, 384)), 224).shape
        (3, 224, 224)
    """
    return _channels_first(_resized(_rgb(image), size, size))


def to_cropped_pixels(image: Image.Image, size: int) -> NDArray[np.uint8]:
    """Convert the middle of an image to pixels (3, size, size), its shorter side resized to `size`.

    For networks that were trained on such pixels. Rounding is that of torchvision's Resize and CenterCrop.

    Args:
        image: RGB and upright, as `orchestrator.data.open_image` returns it.
        size: of the square.

    Raises:
        ValueError: the image is not RGB.

    Example:
        >>> to_cropped_pixels(Image.new("RGB", (512, 384)), 224).shape
        (3, 224, 224)
    """
    shorter = min(_rgb(image).size)
    width, height = (size if side == shorter else int(size * side / shorter) for side in image.size)
    left, top = round((width - size) / 2), round((height - size) / 2)
    if width * height > _LARGEST_INTERMEDIATE:
        across, down = image.width / width, image.height / height
        middle = (left * across, top * down, (left + size) * across, (top + size) * down)
        return _channels_first(image.resize((size, size), Image.Resampling.BICUBIC, middle))
    return _channels_first(_resized(image, width, height).crop((left, top, left + size, top + size)))


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode != "RGB":
        raise ValueError(f"an image of mode {image.mode}, not RGB: decode it with orchestrator.data.open_image")
    return image


def _resized(image: Image.Image, width: int, height: int) -> Image.Image:
    if image.size == (width, height):
        return image
    if max(image.size) > _LONGEST_SIDE:
        image = image.reduce((ceil(image.width / _LONGEST_SIDE), ceil(image.height / _LONGEST_SIDE)))
    return image.resize((width, height), Image.Resampling.BICUBIC)


def _channels_first(image: Image.Image) -> NDArray[np.uint8]:
    return np.ascontiguousarray(np.asarray(image, dtype=np.uint8).transpose(2, 0, 1))
