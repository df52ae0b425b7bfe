"""Image decoder, the same when an image is checked, encoded or scored: its result has pixels and nothing else."""

from __future__ import annotations

import contextlib
import hashlib
import logging
from collections.abc import Iterator
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import IO, TYPE_CHECKING

from orchestrator.data.image_bytes import UnusableImage, other_content, read_image_file
from orchestrator.data.image_modes import has_changed_pixels, to_rgb
from orchestrator.data.strip_png_text import is_png, without_text

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["UnusableImage", "decode_image", "decoder_identity", "open_image", "plain_image"]

_VERSION = 2
"""Raise it if other files become readable, or the pixels of a file become others."""
_STILL_FORMATS_OF_SEVERAL_FRAMES = {"MPO", "HEIF"}
"""A photograph with its preview, its second lens or its burst: viewers show the first."""
_REASONS_OF_SEVERAL_FRAMES = {"TIFF": "multi-page", "DCX": "multi-page", "PSD": "layered"}
_NEVER_OPENED = {"EPS"}
"""Pillow would start Ghostscript, which runs the file's own program."""
_ORIENTATION = 0x0112

# Pillow logs some errors that it also raises; without a handler Python prints them.
logging.getLogger("PIL").addHandler(logging.NullHandler())


def open_image(source: str | Path | bytes | IO[bytes]) -> Image.Image:
    """Decode an image file fully: upright by its EXIF orientation, RGB, transparency on white, no metadata.

    The table "Image files" in docs/data.md lists the treatment of every kind of file.

    Raises:
        UnusableImage: the image cannot be used; the message is the reason.
    """
    if isinstance(source, (str, Path)):
        return decode_image(read_image_file(Path(source)))
    return decode_image(source if isinstance(source, bytes) else source.read())


def decoder_identity() -> str:
    """Return versions of the decoder and its libraries; another version may read other files."""
    from importlib.metadata import PackageNotFoundError, version

    libraries = []
    for library in ("pillow", "pillow-heif"):
        with contextlib.suppress(PackageNotFoundError):
            libraries.append(f"{library} {version(library)}")
    return ", ".join([f"decoder {_VERSION}", *libraries])


def decode_image(content: bytes) -> Image.Image:
    """Decode the bytes of an image file as `open_image` does."""
    with _unusable_if_raising(content):
        try:
            return _decode(content)
        except ValueError:
            if not is_png(content):
                raise
            # Pillow refuses long text, such as a workflow that was saved with the image; the pixels are fine.
            return _decode(without_text(content))


def image_digest(content: bytes) -> str:
    """Return the SHA-256 that stands for the pixels of a decodable image file.

    It is that of the file's bytes. Images whose pixels version 1 of the decoder made otherwise, most of them black, add
    the version: features of these pixels may be stored.
    """
    from PIL import Image

    digest = hashlib.sha256(content)
    with contextlib.suppress(ValueError), Image.open(BytesIO(content)) as image:  # ValueError: a PNG with long text
        if image.format != "PPM" and has_changed_pixels(image):
            digest.update(b"decoder 2")
    return digest.hexdigest()


def plain_image(image: Image.Image) -> Image.Image:
    """Convert an opened Pillow image in the same way as `open_image` converts its file.

    Raises:
        UnusableImage: the image cannot be used; the message is the reason.
    """
    with _unusable_if_raising():
        return _plain(image)


def _decode(content: bytes) -> Image.Image:
    from PIL import Image

    _prepare_pillow()
    with Image.open(BytesIO(content)) as image:
        return _plain(image)


def readable_suffixes() -> set[str]:
    """Return suffixes of the files that `open_image` may be able to decode, in lower case, such as ".png"."""
    from PIL import Image

    _prepare_pillow()
    known = Image.registered_extensions()
    return {suffix for suffix, format_ in known.items() if format_ in Image.OPEN and format_ not in _NEVER_OPENED}


@cache
def _prepare_pillow() -> None:
    """Let Pillow read HEIC files if the package pillow-heif is installed, and keep libtiff from printing."""
    import ctypes

    from PIL import Image

    with contextlib.suppress(ImportError):
        from pillow_heif import register_heif_opener

        register_heif_opener()
    # Pillow raises an error for what libtiff prints. If the functions cannot be looked up, libtiff prints as before.
    with contextlib.suppress(OSError, AttributeError, TypeError):
        libraries = ctypes.CDLL(Image.core.__file__)  # type: ignore[attr-defined]
        for setter in (libraries.TIFFSetErrorHandler, libraries.TIFFSetWarningHandler):
            setter.argtypes, setter.restype = [ctypes.c_void_p], ctypes.c_void_p
            setter(None)


def _plain(image: Image.Image) -> Image.Image:
    _check(image)
    image.load()
    rgb = to_rgb(image)
    turn = _turn(image)
    if turn is not None:
        rgb = rgb.transpose(turn)
    rgb.info = {}  # later code might read the metadata differently
    return rgb


def _check(image: Image.Image) -> None:
    from PIL import Image as pillow

    if image.format in _NEVER_OPENED:
        raise UnusableImage("a PostScript drawing")
    limit = pillow.MAX_IMAGE_PIXELS
    if limit is not None and image.width * image.height > limit:
        raise UnusableImage("too large")
    if getattr(image, "n_frames", 1) > 1 and image.format not in _STILL_FORMATS_OF_SEVERAL_FRAMES:
        # People rated the animation, not its first frame.
        raise UnusableImage(_REASONS_OF_SEVERAL_FRAMES.get(image.format or "", "animated"))


def _turn(image: Image.Image) -> Image.Transpose | None:
    """Return the transposition that sets a loaded image upright.

    Not `ImageOps.exif_transpose`: it writes the EXIF block again, which fails for many blocks that are slightly wrong.
    """
    from PIL.Image import Transpose

    try:
        orientation = int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # a damaged EXIF block, whose pixels are fine
        return None
    return {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }.get(orientation)


@contextlib.contextmanager
def _unusable_if_raising(content: bytes = b"") -> Iterator[None]:
    """Raise UnusableImage for anything that an image library raises; decoders raise almost any exception."""
    from PIL import Image

    try:
        yield
    except UnusableImage:
        raise
    except (Image.DecompressionBombError, MemoryError) as error:
        raise UnusableImage("too large") from error
    except Exception as error:
        truncated = "truncated" in str(error).lower()
        raise UnusableImage("truncated" if truncated else other_content(content) or "unreadable") from error
