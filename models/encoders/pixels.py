"""From an opened image of any mode to the pixels that a network takes."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

TRANSFORM = "upright, over white, RGB, whole image to a square by Pillow's antialiased bicubic"


def to_pixels(image: Image.Image, size: int) -> NDArray[np.uint8]:
    """Pixels (3, size, size) of an image.

    It is turned upright by its EXIF tag, laid over white where it is transparent, and resized whole: what
    stands at the border of a picture counts for how well it shows its prompt, so nothing is cropped.
    """
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16"):
        # Pillow would clip 16-bit grey at 255 rather than scale it.
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    image = image.convert("RGB")
    if image.size != (size, size):
        image = image.resize((size, size), Image.Resampling.BICUBIC)
    return np.ascontiguousarray(np.asarray(image, dtype=np.uint8).transpose(2, 0, 1))
