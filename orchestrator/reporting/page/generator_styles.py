"""Colours and symbols of generators, the same in every chart of a page; rare generators are "others"."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.reporting.page.palette import CATEGORIES, MARKERS, NEUTRAL, SYMBOLS

OTHERS = "others"


@dataclass(frozen=True)
class GeneratorStyle:
    """Look of a generator's points: its colour and Plotly's symbol."""

    colour: str
    symbol: str

    @property
    def marker(self) -> str:
        """Matplotlib's symbol."""
        return MARKERS[self.symbol]


def generator_styles(generators: Sequence[str]) -> dict[str, GeneratorStyle]:
    """Return name → style in alphabetical order; of more than eight, the seven with most images and then `OTHERS`.

    Example:
        >>> list(generator_styles(["b", "a", "a"]))
        ['a', 'b']
    """
    counts = Counter(generators)
    looks = list(zip(CATEGORIES, SYMBOLS, strict=True))
    if len(counts) <= len(looks):
        return {name: GeneratorStyle(*look) for name, look in zip(sorted(counts), looks, strict=False)}
    (neutral,) = (look for look in looks if look[0] == NEUTRAL)
    looks.remove(neutral)
    shown = sorted(name for name, _ in counts.most_common(len(looks)))
    styles = {name: GeneratorStyle(*look) for name, look in zip(shown, looks, strict=True)}
    return styles | {OTHERS: GeneratorStyle(*neutral)}
