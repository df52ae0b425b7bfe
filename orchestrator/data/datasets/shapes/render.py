"""Pillow renderer of a scene."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from orchestrator.data.datasets.shapes.backgrounds import paint_backdrop
from orchestrator.data.datasets.shapes.scene import COLORS, SHAPES, Scene

if TYPE_CHECKING:
    from numpy.random import Generator

SIZE = 224
_CANVAS = 2 * SIZE  # drawn at twice the size and averaged down, for smooth edges
_LARGE, _SMALL, _CLUTTER = 0.20, 0.10, 0.05  # radii as shares of the canvas
_TOWARDS = {"left of": (-1, 0), "right of": (1, 0), "above": (0, -1), "below": (0, 1)}
_Points = list[tuple[float, float]]


def draw_scene(scene: Scene, rng: Generator) -> Image.Image:
    """Draw the scene as an RGB image of 224×224; `rng` chooses the exact positions."""
    image = paint_backdrop(scene.backdrop, _CANVAS, rng)
    draw = ImageDraw.Draw(image)
    dx, dy = _TOWARDS[scene.relation]
    for _ in range(scene.clutter):
        x, y = rng.uniform(0.05, 0.95, size=2)
        color, shape = str(rng.choice(list(COLORS))), str(rng.choice(SHAPES))
        _draw_shape(draw, shape, color, x, y, _CLUTTER * rng.uniform(0.6, 1.3), rng)
    for x, y, radius in _places(scene.large.count, 0.5 + 0.22 * dx, 0.5 + 0.22 * dy, in_column=dx != 0):
        jitter_x, jitter_y = rng.uniform(-0.03, 0.03, size=2)
        _draw_shape(draw, scene.large.shape, scene.large.color, x + jitter_x, y + jitter_y, radius, rng)
    for _ in range(scene.small.count):
        x, y = 0.5 - 0.3 * dx + rng.uniform(-0.05, 0.05), 0.5 - 0.3 * dy + rng.uniform(-0.05, 0.05)
        _draw_shape(draw, scene.small.shape, scene.small.color, x, y, _SMALL, rng)
    return image.reduce(2)


def _places(count: int, x: float, y: float, in_column: bool) -> list[tuple[float, float, float]]:
    """Return centres and radii of shapes: in a column left or right of another shape, otherwise in a row."""
    if count <= 1:
        return [(x, y, _LARGE)] * count
    spacing = 0.92 / count
    radius = min(0.46 * spacing, 0.85 * _LARGE)
    steps = [0.5 + (number - (count - 1) / 2) * spacing for number in range(count)]
    return [(x, step, radius) if in_column else (step, y, radius) for step in steps]


def _draw_shape(
    draw: ImageDraw.ImageDraw, shape: str, color: str, x: float, y: float, radius: float, rng: Generator
) -> None:
    """Draw one outlined shape; position and radius are shares of the canvas."""
    fill = COLORS[color]
    outline = tuple(value // 3 for value in fill) if color != "black" else (120, 120, 120)
    cx, cy, r = x * _CANVAS, y * _CANVAS, radius * _CANVAS
    box = (cx - r, cy - r, cx + r, cy + r)
    width = max(3, round(r / 16))
    if shape == "circle":
        draw.ellipse(box, fill=fill, outline=outline, width=width)
    elif shape == "ring":
        draw.ellipse(box, outline=outline, width=round(0.42 * r))
        inner = (cx - r + width, cy - r + width, cx + r - width, cy + r - width)
        draw.ellipse(inner, outline=fill, width=round(0.42 * r) - 2 * width)
    else:
        points = _OUTLINES[shape]() @ _rotation(rng.uniform(-0.15, 0.15)) * r + (cx, cy)
        corners: _Points = [(float(px), float(py)) for px, py in points]
        draw.polygon(corners, fill=fill, outline=outline, width=width)


def _rotation(angle: float) -> np.ndarray:
    return np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])


def _star() -> np.ndarray:
    angles = np.arange(10) * math.pi / 5 - math.pi / 2
    radii = np.where(np.arange(10) % 2 == 0, 1.0, 0.45)
    return np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1)


def _triangle() -> np.ndarray:
    return np.array([[0.0, -1.0], [0.95, 0.75], [-0.95, 0.75]])


def _square() -> np.ndarray:
    return 0.88 * np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])


def _cross() -> np.ndarray:
    a, b = 0.33, 1.0
    arm = np.array([[-a, -b], [a, -b], [a, -a]])
    return np.concatenate([arm @ _rotation(quarter * math.pi / 2).T for quarter in range(4)])


_OUTLINES: dict[str, Callable[[], np.ndarray]] = {
    "square": _square,
    "triangle": _triangle,
    "star": _star,
    "cross": _cross,
}
