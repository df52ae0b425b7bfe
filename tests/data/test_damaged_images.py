"""Files with random damage: the decoder returns an image or a reason, soon, and prints nothing."""

import io
import time

import numpy as np
import pytest
from PIL import Image

from orchestrator.data.decode_image import UnusableImage, decode_image

ROUNDS = 40


def _encoded(kind: str, **options: object) -> bytes:
    down, across = np.mgrid[:24, :32]
    pixels = np.stack([across * 7, down * 9, across * down % 256], -1).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def _exif() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "maker"
    exif[0x8769] = {0x9003: "2026:01:01 00:00:00"}
    return exif


FILES = {
    "PNG": lambda: _encoded("PNG"),
    "JPEG": lambda: _encoded("JPEG", exif=_exif()),
    "TIFF": lambda: _encoded("TIFF"),
    "TIFF by libtiff": lambda: _encoded("TIFF", compression="tiff_lzw"),
    "JPEG in TIFF": lambda: _encoded("TIFF", compression="jpeg"),
    "WebP": lambda: _encoded("WEBP"),
    "AVIF": lambda: _encoded("AVIF"),
    "GIF": lambda: _encoded("GIF"),
    "BMP": lambda: _encoded("BMP"),
    "DDS": lambda: _encoded("DDS"),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", FILES)
def test_random_damage_ends_in_an_image_or_a_reason(kind: str, capfd: pytest.CaptureFixture[str]) -> None:
    random = np.random.default_rng(list(FILES).index(kind))
    whole = FILES[kind]()
    assert decode_image(whole).mode == "RGB"
    started = time.monotonic()
    for _ in range(ROUNDS):
        content = bytearray(whole)
        for _ in range(random.integers(1, 9)):
            content[random.integers(len(content))] = random.integers(256)
        try:
            image = decode_image(bytes(content))
        except UnusableImage as unusable:
            assert str(unusable)
        else:
            assert image.mode == "RGB" and not image.info
    assert time.monotonic() - started < 60
    assert capfd.readouterr() == ("", "")
