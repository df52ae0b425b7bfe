"""Scatter plot of two models' predictions against the mean opinion scores."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt

from orchestrator.registry.promotion.compare import ModelComparison

_SIDES = (("first", "A", "#3465a4"), ("second", "B", "#c17d11"))


def draw_comparison(comparison: ModelComparison, path: Path) -> None:
    """Draw a row per score: each model's predictions against the truth, with rings around the furthest images."""
    rows = comparison.rows
    with plt.rc_context({"axes.spines.top": False, "axes.spines.right": False, "font.size": 9}):
        figure, axes = plt.subplots(
            len(comparison.targets), 2, figsize=(9, 4.2 * len(comparison.targets)), layout="constrained", squeeze=False
        )
        for line, compared in zip(axes, comparison.targets, strict=True):
            target = compared.target
            both = rows[[f"first_{target}", f"second_{target}", target]]
            low, high = float(both.min().min()), float(both.max().max())
            for axis, (side, letter, colour) in zip(line, _SIDES, strict=True):
                axis.plot([low, high], [low, high], color="black", lw=0.8, alpha=0.5)
                axis.scatter(rows[f"{side}_{target}"], rows[target], s=9, alpha=0.6, color=colour)
                axis.scatter(
                    compared.furthest[side],
                    compared.furthest["truth"],
                    s=45,
                    facecolors="none",
                    edgecolors="black",
                    lw=0.7,
                )
                srcc = compared.figures["srcc"][0 if letter == "A" else 1]
                name = comparison.first if letter == "A" else comparison.second
                axis.set(xlabel=f"predicted {target}", ylabel=f"{target} (mean opinion score)")
                axis.set_title(f"{letter}: {name}\ntest SRCC {srcc:.4f}", fontsize=8)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=130)
        plt.close(figure)
