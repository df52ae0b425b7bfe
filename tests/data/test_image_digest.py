"""The digest of an image file differs from its bytes' only if an earlier decoder made other pixels of it."""

import hashlib
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from orchestrator.data.decode_image import image_digest

GREY = np.arange(64, dtype=np.uint16).reshape(8, 8) * 60


def saved(image: Image.Image, kind: str, **more: object) -> bytes:
    file = BytesIO()
    image.save(file, kind, **more)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "changed"),
    [
        (saved(Image.fromarray(GREY), "PNG"), False),
        (saved(Image.fromarray(GREY), "TIFF"), False),
        (saved(Image.fromarray(GREY.astype(np.uint8)), "PNG"), False),
        (saved(Image.fromarray(GREY), "PNG", transparency=0), True),
        (saved(Image.fromarray(GREY), "TIFF", tiffinfo={262: 0}), True),
        (saved(Image.fromarray(GREY.astype(np.float32) / 4000), "TIFF"), True),
        (saved(Image.fromarray(GREY.astype(np.int32)), "TIFF"), True),
    ],
    ids=["16-bit PNG", "16-bit TIFF", "8-bit PNG", "transparent 16-bit", "white is zero", "float", "32-bit"],
)
def test_images_whose_pixels_changed_have_another_digest_than_their_bytes(content: bytes, changed: bool) -> None:
    assert (image_digest(content) != hashlib.sha256(content).hexdigest()) == changed
