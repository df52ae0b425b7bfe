"""A scene that words can describe, and the ways a generator can get it wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from numpy.random import Generator

COLORS = {
    "red": (214, 40, 40),
    "orange": (245, 134, 24),
    "yellow": (250, 219, 44),
    "green": (40, 158, 62),
    "blue": (38, 84, 214),
    "purple": (136, 48, 176),
    "white": (246, 246, 246),
    "black": (24, 24, 24),
}
SHAPES = ("circle", "square", "triangle", "star", "ring", "cross")
BACKDROPS = {
    "grass": "on green grass",
    "sand": "on the sand of a beach",
    "water": "in deep blue water",
    "night": "in the black night sky",
    "snow": "on white snow",
    "bricks": "in front of a red brick wall",
}
RELATIONS = ("left of", "right of", "above", "below")
_OPPOSITE = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}
_NUMERALS = {1: "a", 2: "two", 3: "three", 4: "four", 5: "five"}
# A shape in its backdrop's own color could not be seen.
_HIDDEN = {
    "grass": "green",
    "sand": "yellow",
    "water": "blue",
    "night": "black",
    "snow": "white",
    "bricks": "red",
}


@dataclass(frozen=True)
class Things:
    """Some equal shapes; none of them where `count` is 0."""

    count: int
    color: str
    shape: str


@dataclass(frozen=True)
class Scene:
    """Large things, one small thing, where they are to each other, and what is behind them."""

    large: Things
    small: Things
    relation: str
    backdrop: str
    clutter: int = 0

    @property
    def prompt(self) -> str:
        """The scene in words."""
        things = f"{_words(self.large, 'large')} {self.relation} {_words(self.small, 'small')}"
        return f"{things} {BACKDROPS[self.backdrop]}"


def random_scene(rng: Generator) -> Scene:
    """Return a random scene of two kinds of shapes that differ in color and form and are both visible."""
    backdrop = str(rng.choice(list(BACKDROPS)))
    colors = rng.choice([color for color in COLORS if color != _HIDDEN[backdrop]], size=2, replace=False)
    shapes = rng.choice(SHAPES, size=2, replace=False)
    large = Things(int(rng.choice([1, 1, 2, 3])), str(colors[0]), str(shapes[0]))
    return Scene(large, Things(1, str(colors[1]), str(shapes[1])), str(rng.choice(RELATIONS)), backdrop)


@dataclass(frozen=True)
class Mistake:
    """A mistake of a generator against its prompt.

    Attributes:
        name: name of the mistake.
        rate: how often the worst generator makes it, 0 to 1.
        penalty: loss of alignment in MOS units.
        make: returns the scene with the mistake, or the scene itself if the mistake is impossible in it.
    """

    name: str
    rate: float
    penalty: float
    make: Callable[[Scene, Generator], Scene]


def _other(rng: Generator, options: object, *taken: str) -> str:
    return str(rng.choice([option for option in options if option not in taken]))  # type: ignore[attr-defined]


def _wrong_backdrop(scene: Scene, rng: Generator) -> Scene:
    hidden_by = {color: backdrop for backdrop, color in _HIDDEN.items()}
    taken = [hidden_by.get(things.color, "") for things in (scene.large, scene.small)]
    return replace(scene, backdrop=_other(rng, BACKDROPS, scene.backdrop, *taken))


def _wrong_color(scene: Scene, rng: Generator) -> Scene:
    if not scene.large.count:
        return scene
    color = _other(rng, COLORS, scene.large.color, scene.small.color, _HIDDEN[scene.backdrop])
    return replace(scene, large=replace(scene.large, color=color))


def _wrong_shape(scene: Scene, rng: Generator) -> Scene:
    if not scene.large.count:
        return scene
    shape = _other(rng, SHAPES, scene.large.shape, scene.small.shape)
    return replace(scene, large=replace(scene.large, shape=shape))


def _wrong_count(scene: Scene, rng: Generator) -> Scene:
    if not scene.large.count:
        return scene
    count = int(rng.choice([number for number in (1, 2, 3, 4, 5) if number != scene.large.count]))
    return replace(scene, large=replace(scene.large, count=count))


def _wrong_relation(scene: Scene, rng: Generator) -> Scene:
    if not (scene.large.count and scene.small.count):
        return scene
    return replace(scene, relation=_OPPOSITE[scene.relation])


def _no_large(scene: Scene, rng: Generator) -> Scene:
    return replace(scene, large=replace(scene.large, count=0))


def _no_small(scene: Scene, rng: Generator) -> Scene:
    return replace(scene, small=replace(scene.small, count=0))


def _clutter(scene: Scene, rng: Generator) -> Scene:
    return replace(scene, clutter=int(rng.integers(6, 14)))


# Backdrop, color, shape, count and relation need the prompt; what is missing or too much shows without it.
MISTAKES = (
    Mistake("wrong backdrop", 0.50, 1.5, _wrong_backdrop),
    Mistake("large things missing", 0.35, 1.9, _no_large),
    Mistake("small thing missing", 0.35, 0.8, _no_small),
    Mistake("clutter", 0.50, 1.1, _clutter),
    Mistake("wrong color", 0.35, 0.8, _wrong_color),
    Mistake("wrong shape", 0.25, 0.5, _wrong_shape),
    Mistake("wrong count", 0.25, 0.4, _wrong_count),
    Mistake("wrong relation", 0.25, 0.3, _wrong_relation),
)


def _words(things: Things, size: str) -> str:
    plural = "" if things.count == 1 else "es" if things.shape.endswith("s") else "s"
    return f"{_NUMERALS[things.count]} {size} {things.color} {things.shape}{plural}"
