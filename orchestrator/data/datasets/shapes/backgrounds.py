"""Backgrounds of the scenes: textures that a network trained on photographs distinguishes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from PIL import Image, ImageDraw

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

_Map: TypeAlias = "NDArray[np.floating[Any]]"
_Painter = Callable[[int, "Generator"], Image.Image]


def paint_backdrop(backdrop: str, size: int, rng: Generator) -> Image.Image:
    """Return a background as an RGB image of size×size."""
    return _PAINTERS[backdrop](size, rng)


def _grass(size: int, rng: Generator) -> Image.Image:
    image = Image.new("RGB", (size, size), (66, 128, 38))
    draw = ImageDraw.Draw(image)
    for x, y, lean, height, shade in rng.uniform(size=(1200, 5)):
        base, tip = (x * size, y * size), (x * size + (lean - 0.5) * 16, y * size - 10 - 22 * height)
        fill = (int(40 + 70 * shade), int(95 + 85 * shade), int(20 + 30 * shade))
        draw.line([base, tip], fill=fill, width=2)
    return image


def _sand(size: int, rng: Generator) -> Image.Image:
    y, x = _grid(size)
    ripples = 9 * np.sin(70 * y + 2.5 * np.sin(7 * x) + rng.uniform(0, 6))
    return _tinted((222, 192, 136), ripples + 13 * _grain(size, rng))


def _water(size: int, rng: Generator) -> Image.Image:
    y, x = _grid(size)
    long = np.sin(30 * y + 4 * np.sin(8 * x + rng.uniform(0, 6)) + rng.uniform(0, 6))
    short = np.sin(55 * y + 5 * x + rng.uniform(0, 6))
    return _tinted((22, 92, 150), 16 * (long + 0.6 * short) - 50 * y)


def _night(size: int, rng: Generator) -> Image.Image:
    image = _tinted((10, 12, 34), 2 * _grain(size, rng))
    draw = ImageDraw.Draw(image)
    for x, y, radius, shade in rng.uniform(size=(110, 4)):
        r = 0.8 + 1.8 * radius**3
        light = int(140 + 115 * shade)
        box = (x * size - r, y * size - r, x * size + r, y * size + r)
        draw.ellipse(box, fill=(light, light, light - 20))
    return image


def _snow(size: int, rng: Generator) -> Image.Image:
    y, x = _grid(size)
    drifts = np.sin(9 * y + 1.6 * np.sin(5 * x + rng.uniform(0, 6)) + rng.uniform(0, 6))
    return _tinted((228, 234, 244), 11 * drifts + 3 * _grain(size, rng))


def _bricks(size: int, rng: Generator) -> Image.Image:
    image = Image.new("RGB", (size, size), (190, 180, 168))
    draw = ImageDraw.Draw(image)
    height, length, mortar = size // 14, size // 6, 5
    for row in range(-1, 15):
        for column in range(-1, 7):
            left, top = column * length + (row % 2) * length // 2, row * height
            shade = rng.uniform(-18, 18)
            fill = (int(150 + shade), int(62 + shade), int(48 + shade))
            draw.rectangle((left, top, left + length - mortar, top + height - mortar), fill=fill)
    return image


def _grid(size: int) -> tuple[_Map, _Map]:
    """Return heights (size, 1) and widths (1, size) from 0 to 1, each computed once.

    The maps are float64: sines in float32 differ between processors by enough to change a pixel.
    """
    line = np.linspace(0, 1, size)
    return line[:, None], line[None, :]


def _grain(size: int, rng: Generator) -> _Map:
    return rng.standard_normal((size, size), dtype=np.float32)


def _tinted(color: tuple[int, int, int], light: _Map) -> Image.Image:
    """Return an image of one color, lighter and darker by a map of (size, size) in grey levels."""
    bands = [np.clip(light + level, 0, 255).astype(np.uint8) for level in color]
    return Image.merge("RGB", [Image.fromarray(band) for band in bands])


_PAINTERS: dict[str, _Painter] = {
    "grass": _grass,
    "sand": _sand,
    "water": _water,
    "night": _night,
    "snow": _snow,
    "bricks": _bricks,
}
