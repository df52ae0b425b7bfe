"""Image reader, the same when an image is checked, encoded or scored."""

from __future__ import annotations

from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

_STILL_FORMATS_OF_SEVERAL_FRAMES = {"MPO"}  # a photograph with its preview or its second lens


class UnusableImage(Exception):
    """An image that cannot be scored; the message is the short reason a quarantine lists it under."""


def open_image(source: str | Path | IO[bytes]) -> Image.Image:
    """Decode an image fully: upright by its EXIF orientation, RGB, transparency laid on white.

    Raises:
        UnusableImage: missing, unreadable, truncated, animated, or larger than Pillow's limit against
            decompression bombs (`PIL.Image.MAX_IMAGE_PIXELS`).
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(source) as image:
            _check(image)
            return upright_rgb(image)
    except UnusableImage:
        raise
    except FileNotFoundError:
        raise UnusableImage("missing") from None
    except Image.DecompressionBombError:
        raise UnusableImage("too large") from None
    except UnidentifiedImageError:
        raise UnusableImage("unreadable") from None
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        # Pillow's decoders raise all of these for damaged files.
        reason = "truncated" if "truncated" in str(error).lower() else "unreadable"
        raise UnusableImage(reason) from None


def upright_rgb(image: Image.Image) -> Image.Image:
    """Return an opened image upright by its EXIF orientation, RGB, transparency on white; raise as Pillow does."""
    from PIL import ImageOps

    image.load()
    return _as_rgb(ImageOps.exif_transpose(image))


def _check(image: Image.Image) -> None:
    from PIL import Image as pillow

    limit = pillow.MAX_IMAGE_PIXELS
    if limit is not None and image.width * image.height > limit:
        raise UnusableImage("too large")
    if getattr(image, "n_frames", 1) > 1 and image.format not in _STILL_FORMATS_OF_SEVERAL_FRAMES:
        # People rated the animation, not its first frame.
        raise UnusableImage("animated")


def _as_rgb(image: Image.Image) -> Image.Image:
    from PIL import Image as pillow

    if image.mode.startswith("I;16") or image.mode == "I":
        # Pillow would clip 16-bit grey at 255 and leave a white image.
        image = image.convert("I").point(lambda value: value / 256).convert("L")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        return pillow.alpha_composite(pillow.new("RGBA", layer.size, "white"), layer).convert("RGB")
    return image.convert("RGB")
