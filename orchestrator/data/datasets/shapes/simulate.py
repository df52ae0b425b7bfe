"""Simulated generators that draw prompts with mistakes and damage, and raters who score the result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from orchestrator.data.datasets.shapes.distortions import DISTORTIONS
from orchestrator.data.datasets.shapes.scene import MISTAKES, Scene, random_scene

if TYPE_CHECKING:
    from numpy.random import Generator

# Weakness, 0 to 1: how often a generator misses the prompt, and how much it damages what it draws on average.
GENERATORS = {"scribble": 1.0, "doodle": 0.75, "painter": 0.5, "studio": 0.25}
RATERS = 12
_SPREAD = 0.30  # spread of damage within a generator, so that its name does not determine the quality


@dataclass(frozen=True)
class Rating:
    """Mean opinion score, 0 to 5, and the standard deviation of its raters."""

    mean: float
    std: float


@dataclass(frozen=True)
class Sample:
    """An image to be drawn, with its simulated ratings.

    Attributes:
        name: its file name.
        prompt: the prompt.
        generator: the generator that draws it.
        drawn: the scene as it is drawn, mistakes included.
        mistakes: names of the mistakes in it.
        damage: (kind of distortion, severity) pairs, in the order they are applied.
        quality, alignment: the ratings.
    """

    name: str
    prompt: str
    generator: str
    drawn: Scene
    mistakes: tuple[str, ...]
    damage: tuple[tuple[str, float], ...]
    quality: Rating
    alignment: Rating


def simulate(seed: int, prompts: int = 60, images_per_generator: int = 2) -> list[Sample]:
    """Return every image of the data set, not yet drawn; the same seed returns the same samples."""
    rng = np.random.default_rng([seed, 0])
    scenes: dict[str, Scene] = {}
    while len(scenes) < prompts:
        scene = random_scene(rng)
        scenes.setdefault(scene.prompt, scene)
    samples: list[Sample] = []
    for number, scene in enumerate(scenes.values()):
        for generator in GENERATORS:
            for copy in range(images_per_generator):
                name = f"{generator}_{number:03d}_{copy}.png"
                rng = np.random.default_rng([seed, 1, len(samples)])
                samples.append(_sample(name, scene, generator, rng))
    return samples


def _sample(name: str, wanted: Scene, generator: str, rng: Generator) -> Sample:
    weakness = GENERATORS[generator]
    drawn, penalty, made = wanted, 0.0, []
    for mistake in MISTAKES:
        if rng.uniform() < mistake.rate * weakness:
            wrong = mistake.make(drawn, rng)
            if wrong != drawn:
                drawn = wrong
                penalty += mistake.penalty
                made.append(mistake.name)
    loss = float(np.clip(rng.normal(0.75 * weakness - 0.1, _SPREAD), 0, 1))
    damage = _damage(loss, rng)
    # Damage also hides what was asked for, a little.
    alignment = 4.7 - penalty - 0.4 * loss
    return Sample(
        name=name,
        prompt=wanted.prompt,
        generator=generator,
        drawn=drawn,
        mistakes=tuple(made),
        damage=damage,
        quality=_rate(4.6 - 4.0 * loss, rng),
        alignment=_rate(alignment, rng),
    )


def _damage(loss: float, rng: Generator) -> tuple[tuple[str, float], ...]:
    """Return one or two distortions that together cost the raters' `loss`, 0 to 1."""
    if loss == 0:
        return ()
    kinds = [str(kind) for kind in rng.choice(list(DISTORTIONS), size=int(rng.integers(1, 3)), replace=False)]
    return tuple((kind, loss / len(kinds) ** 0.5) for kind in kinds)


def _rate(score: float, rng: Generator) -> Rating:
    leniency = rng.normal(0, 0.2, size=RATERS)
    opinions = np.clip(score + leniency + rng.normal(0, 0.4, size=RATERS), 0, 5)
    return Rating(round(float(opinions.mean()), 4), round(float(opinions.std(ddof=1)), 4))
