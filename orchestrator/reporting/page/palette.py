"""Colours of the report page, by Okabe and Ito: distinct for colour-blind eyes, and legible on white and on black."""

from __future__ import annotations

VARIANT, CONTROL, BASELINE, CONFIRM = "#0072B2", "#D55E00", "#009E73", "#CC79A7"

NEUTRAL = "#808080"

CATEGORIES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#808080", "#B8A500")
"""Colours of categories such as generators; a ninth category has the first colour again."""

MARKERS = {
    "circle": "o",
    "square": "s",
    "diamond": "D",
    "triangle-up": "^",
    "triangle-down": "v",
    "cross": "P",
    "x": "X",
    "star": "*",
}
"""Plotly's symbols → Matplotlib's markers."""

SYMBOLS = tuple(MARKERS)
"""Symbols of categories, so that colour is not the only difference."""

STUDY_COLOURS = {"search": VARIANT, "control": CONTROL, "confirm": CONFIRM}
OUTCOME_COLOURS = {"complete": VARIANT, "pruned": "#56B4E9", "running": BASELINE}
"""Outcome → colour of its runs; every other outcome has the colour `CONTROL`."""

STUDY_NAMES = {"search": "variant", "control": "control", "confirm": "confirm runs"}
