"""Damage to an image, each kind from 0 (not visible) to 1 (severe)."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageFilter, ImageOps

if TYPE_CHECKING:
    from numpy.random import Generator

_Distort = Callable[[Image.Image, float, "Generator"], Image.Image]


def distort(image: Image.Image, kind: str, severity: float, rng: Generator) -> Image.Image:
    """Return a distorted copy.

    Args:
        image: RGB.
        kind: one of `DISTORTIONS`.
        severity: 0 to 1.
        rng: for kinds that are random.
    """
    return DISTORTIONS[kind](image, severity, rng)


def _blur(image: Image.Image, severity: float, rng: Generator) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(0.4 + 4.0 * severity))


def _noise(image: Image.Image, severity: float, rng: Generator) -> Image.Image:
    pixels = np.asarray(image, dtype=np.float32)
    grain = rng.standard_normal(pixels.shape, dtype=np.float32) * np.float32(6 + 60 * severity)
    return Image.fromarray(np.clip(pixels + grain, 0, 255).astype(np.uint8))


def _jpeg(image: Image.Image, severity: float, rng: Generator) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=round(40 * (1 - severity) ** 2 + 3))
    return Image.open(buffer).convert("RGB")


def _low_resolution(image: Image.Image, severity: float, rng: Generator) -> Image.Image:
    small = round(image.width / (1.6 + 6.4 * severity))
    return image.resize((small, small), Image.Resampling.BOX).resize(image.size, Image.Resampling.NEAREST)


def _posterize(image: Image.Image, severity: float, rng: Generator) -> Image.Image:
    flat = ImageOps.posterize(image, max(1, round(4 - 3 * severity)))
    return Image.blend(image, flat, 0.5 + 0.5 * severity)


DISTORTIONS: dict[str, _Distort] = {
    "blur": _blur,
    "noise": _noise,
    "jpeg": _jpeg,
    "low resolution": _low_resolution,
    "posterize": _posterize,
}
