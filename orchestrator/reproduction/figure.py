"""Plot of a reproduction: the paper's SRCC and ours for every row."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt

if TYPE_CHECKING:
    from orchestrator.reproduction.rows import ReproductionRow

_STYLES = {"paper": ("#c17d11", "ours, paper's form"), "shipped": ("#3465a4", "ours, shipped form")}


def draw_rows(rows: list[ReproductionRow], title: str, path: Path) -> None:
    """Draw one panel per protocol and one line per row, with the intervals that are known."""
    protocols = [name for name in ("own", "random") if any(row.protocol == name for row in rows)]
    if not protocols:
        return
    count = max(sum(row.protocol == protocol for row in rows) for protocol in protocols)
    figure, axes = plt.subplots(
        1, len(protocols), figsize=(6.2 * len(protocols), 1.6 + 0.55 * count), sharex=True, squeeze=False
    )
    for axis, protocol in zip(axes[0], protocols, strict=True):
        panel = [row for row in rows if row.protocol == protocol]
        for height, row in enumerate(reversed(panel)):
            axis.scatter(row.claim.srcc, height, marker="x", color="#cc0000", zorder=3)
            if row.ridge:
                axis.scatter(row.ridge.srcc, height, marker="|", s=90, color="#4e9a06", zorder=2)
            if row.best_without_pixel is not None:
                axis.scatter(row.best_without_pixel, height, marker="|", s=90, color="#888a85", zorder=2)
            for position, (form, (colour, _)) in enumerate(_STYLES.items()):
                if pair := row.ours.get(form):
                    at = height + 0.12 - 0.24 * position
                    axis.scatter(pair.srcc, at, color=colour, s=18, zorder=3)
                    if pair.interval:
                        axis.hlines(at, *pair.interval, color=colour, lw=1.2)
        labels = [f"{row.claim.table}  {row.claim.what}" for row in reversed(panel)]
        axis.set_yticks(range(len(panel)), labels, fontsize=8)
        how = "as the paper divides (optimistic)" if protocol == "own" else "prompts disjoint, random test splits"
        axis.set_title(how, fontsize=9, loc="left")
        axis.set_xlabel("test SRCC")
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(axis="x", color="#eeeeec")
    marks = [
        plt.Line2D([], [], ls="", marker="x", color="#cc0000", label="paper, as printed"),
        *(
            plt.Line2D([], [], ls="-", marker="o", ms=4, color=colour, label=label)
            for form, (colour, label) in _STYLES.items()
            if any(form in row.ours for row in rows)
        ),
        plt.Line2D([], [], ls="", marker="|", ms=9, color="#4e9a06", label="ridge"),
        plt.Line2D([], [], ls="", marker="|", ms=9, color="#888a85", label="best without a pixel"),
    ]
    figure.legend(handles=marks, ncols=len(marks), fontsize=8, frameon=False, loc="lower center")
    figure.suptitle(title, fontsize=10, x=0.01, ha="left")
    figure.tight_layout(rect=(0, 0.06, 1, 0.98))
    figure.savefig(path, dpi=130)
    plt.close(figure)
