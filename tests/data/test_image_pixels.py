"""Pixels of ordinary images, compared with digests recorded before the decoder was rewritten.

Features are addressed by data and encoder, so pixels that change would be mixed with features of the earlier ones.
"""

import base64
import hashlib
import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from models.encoders.preprocessing import to_cropped_pixels, to_pixels
from orchestrator.data.decode_image import decode_image


def _pattern(channels: int, dtype: type[np.unsignedinteger] = np.uint8) -> np.ndarray:
    """Return (40, 56, channels), or (40, 56) for one channel: values over the whole range, the same everywhere."""
    down, across = np.mgrid[:40, :56]
    factor = 1 if dtype == np.uint8 else 251
    planes = [
        (across * (37 + 11 * c) + down * (101 - 7 * c) + across * down * (c + 1)) * factor % (np.iinfo(dtype).max + 1)
        for c in range(channels)
    ]
    return np.stack(planes, -1).astype(dtype).squeeze()


def _saved(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _raw(mode: str, channels: int) -> Image.Image:
    return Image.frombytes(mode, (56, 40), _pattern(channels).tobytes())


def _palette() -> Image.Image:
    image = Image.fromarray(_pattern(1) // 16)
    image.putpalette(_pattern(3)[0, :16].tobytes())
    return image


def _turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


_RGB, _RGBA, _GREY = (Image.fromarray(_pattern(channels)) for channels in (3, 4, 1))
_16_BIT = _pattern(1, np.uint16)
_JPEG = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAMCAgMCAgMDAwMEAwMEBQgFBQQEBQoHBwYIDAoMDAsKCwsNDhIQDQ4RDgsLEBYQERMUFRUV"
    "DA8XGBYUGBIUFRT/2wBDAQMEBAUEBQkFBQkUDQsNFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQU"
    "FBT/wAARCAAIAAwDASIAAhEBAxEB/8QAHwAAAQUBAQEBAQEAAAAAAAAAAAECAwQFBgcICQoL/8QAtRAAAgEDAwIEAwUFBAQAAAF9AQID"
    "AAQRBRIhMUEGE1FhByJxFDKBkaEII0KxwRVS0fAkM2JyggkKFhcYGRolJicoKSo0NTY3ODk6Q0RFRkdISUpTVFVWV1hZWmNkZWZnaGlq"
    "c3R1dnd4eXqDhIWGh4iJipKTlJWWl5iZmqKjpKWmp6ipqrKztLW2t7i5usLDxMXGx8jJytLT1NXW19jZ2uHi4+Tl5ufo6erx8vP09fb3"
    "+Pn6/8QAHwEAAwEBAQEBAQEBAQAAAAAAAAECAwQFBgcICQoL/8QAtREAAgECBAQDBAcFBAQAAQJ3AAECAxEEBSExBhJBUQdhcRMiMoEI"
    "FEKRobHBCSMzUvAVYnLRChYkNOEl8RcYGRomJygpKjU2Nzg5OkNERUZHSElKU1RVVldYWVpjZGVmZ2hpanN0dXZ3eHl6goOEhYaHiImK"
    "kpOUlZaXmJmaoqOkpaanqKmqsrO0tba3uLm6wsPExcbHyMnK0tPU1dbX2Nna4uPk5ebn6Onq8vP09fb3+Pn6/9oADAMBAAIRAxEAPwBl"
    "tFaab4fvNAsrLTbW3hgRBpMUBsbUSYjVQ1sCzxpIHt5o5NQlyTKwSD5QtTabpHhfVrNJvF2jxX92SWtLiZ5bcNbOTIoVRJGuAzup2oFD"
    "KwAAAAKKvDxjUjTm18dm16qW3X7K669dTPGfuFzQ355R+XKpfn+fpb//2Q=="
)
_CMYK_JPEG = base64.b64decode(
    "/9j/7gAOQWRvYmUAZAAAAAAA/9sAQwADAgIDAgIDAwMDBAMDBAUIBQUEBAUKBwcGCAwKDAwLCgsLDQ4SEA0OEQ4LCxAWEBETFBUVFQwP"
    "FxgWFBgSFBUU/8AAFAgACAAMBEMRAE0RAFkRAEsRAP/EAB8AAAEFAQEBAQEBAAAAAAAAAAABAgMEBQYHCAkKC//EALUQAAIBAwMCBAMF"
    "BQQEAAABfQECAwAEEQUSITFBBhNRYQcicRQygZGhCCNCscEVUtHwJDNicoIJChYXGBkaJSYnKCkqNDU2Nzg5OkNERUZHSElKU1RVVldY"
    "WVpjZGVmZ2hpanN0dXZ3eHl6g4SFhoeIiYqSk5SVlpeYmZqio6Slpqeoqaqys7S1tre4ubrCw8TFxsfIycrS09TV1tfY2drh4uPk5ebn"
    "6Onq8fLz9PX29/j5+v/aAA4EQwBNAFkASwAAPwCpfa3NqNtp3jnUtauHeKb59b1TUY52hV5C0c6XdwRbCe1uImR2sbSdkW3wshaXJkmt"
    "77VvGdlq1zcaxqVxdTNK2qxO2oXxiUTPKI7hQplZI1vbWWHTI1B2xmS5UZcWb2+vG8VXM2rHULHVbq9u2sr3Vvs+oy6koeQCCedPLju4"
    "hLbo7Qwyx2sEdqXuGd3eM5mj6vqniDXtbstauPtaXO+48Ral4hjURxIF+eW8SQOiyhJcR27B0s0mVnWa7mSNtzX9e1/TtTlnsE8P2v2/"
    "/Sbi18SaPaXlxBP/AKuRFbVdRW6EQaM7d0cYYfOEG85zLi68YaddS2fw88S+INIsLXbbaja+HrsyR/bo0WN3la0027QyuiRP89xNJseP"
    "e7NmsbxD8RNd8BSWdlpOreF9R02eE3FrPrOmaVfsbfzHS3EL3VzaOkAhji8tEtoo9uGUPu82Sv4t8X/E7wjNYt4c13xR4at9VhfUrqz0"
    "Se/MP2h55VfLtpty7soRY8yzGQCMKyQlfJj/AP/Z"
)
_EXIF_BLOCK = _turned().tobytes()

RECORDED: dict[str, tuple[Callable[[], bytes], str]] = {
    "RGB PNG": (lambda: _saved(_RGB, "PNG"), "6423719fd898127d"),
    "RGBA PNG": (lambda: _saved(_RGBA, "PNG"), "777adcf1fe844439"),
    "grey PNG": (lambda: _saved(_GREY, "PNG"), "f958a221edacf848"),
    "grey PNG with alpha": (lambda: _saved(_raw("LA", 2), "PNG"), "91843e3d15c630f7"),
    "bilevel PNG": (lambda: _saved(_GREY.point(lambda value: 255 * (value > 99), "1"), "PNG"), "a4fe8debbb63028b"),
    "palette PNG": (lambda: _saved(_palette(), "PNG"), "5093e9f86ae9ea5b"),
    "palette GIF with transparency": (lambda: _saved(_palette(), "GIF", transparency=3), "a467c94b230da0e1"),
    "palette PNG with alphas": (
        lambda: _saved(_palette(), "PNG", transparency=bytes(range(0, 256, 16))),
        "14adb0a24dd0dc2f",
    ),
    "RGB PNG with a transparent colour": (
        lambda: _saved(Image.fromarray(_pattern(3) // 64 * 64), "PNG", transparency=(64, 64, 64)),
        "4674087954d142cc",
    ),
    "grey PNG with a transparent grey": (lambda: _saved(_GREY, "PNG", transparency=77), "56f96a53919ab8a7"),
    "16-bit grey PNG": (lambda: _saved(Image.fromarray(_16_BIT), "PNG"), "2f426e803aaff03d"),
    "16-bit grey TIFF": (lambda: _saved(Image.fromarray(_16_BIT), "TIFF"), "2f426e803aaff03d"),
    "16-bit grey PGM": (lambda: b"P5 56 40 65535\n" + _16_BIT.astype(">u2").tobytes(), "2f426e803aaff03d"),
    "32-bit TIFF of 0 to 65535": (
        lambda: _saved(Image.fromarray(_16_BIT.astype(np.int32)), "TIFF"),
        "2f426e803aaff03d",
    ),
    "float TIFF of 0 to 255": (
        lambda: _saved(Image.fromarray((_pattern(1) + 0.5).clip(0, 255).astype(np.float32)), "TIFF"),
        "f958a221edacf848",
    ),
    "CMYK TIFF": (lambda: _saved(_raw("CMYK", 4), "TIFF"), "2611d453b604a59e"),
    "YCbCr TIFF": (lambda: _saved(_raw("YCbCr", 3), "TIFF"), "4bc8ebbf2c251a1e"),
    "LAB TIFF": (lambda: _saved(_raw("LAB", 3), "TIFF"), "67af6a38d20b7ff6"),
    "TIFF turned by its EXIF": (lambda: _saved(_RGB, "TIFF", exif=_turned()), "4d45c2780dc51c51"),
    "PNG turned by its EXIF": (lambda: _saved(_RGB, "PNG", exif=_turned()), "4d45c2780dc51c51"),
    "lossless WebP with alpha": (lambda: _saved(_RGBA, "WEBP", lossless=True, exact=True), "777adcf1fe844439"),
    "BMP": (lambda: _saved(_RGB, "BMP"), "6423719fd898127d"),
    "JPEG": (lambda: _JPEG, "a5680c712cfdec52"),
    "JPEG turned by its EXIF": (
        lambda: _JPEG[:2] + b"\xff\xe1" + (len(_EXIF_BLOCK) + 2).to_bytes(2, "big") + _EXIF_BLOCK + _JPEG[2:],
        "c6069556b9edafb6",
    ),
    "CMYK JPEG": (lambda: _CMYK_JPEG, "ed2f299220a46b5e"),
}


@pytest.mark.parametrize("name", RECORDED)
def test_pixels_stay_the_same_bit_for_bit(name: str) -> None:
    make, digest = RECORDED[name]
    image = decode_image(make())
    pixels = (np.asarray(image), to_pixels(image, 24), to_cropped_pixels(image, 24))
    assert hashlib.sha256(b"".join(array.tobytes() for array in pixels)).hexdigest()[:16] == digest
