"""Histograms of a score in several parts of a data set, as steps over each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from orchestrator.reporting.page.markup import escape_label
from orchestrator.reporting.page.palette import BASELINE, CONTROL, VARIANT

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from plotly.graph_objects import Figure as PlotlyFigure

BINS = 20

_LOOKS = ((VARIANT, "solid"), (CONTROL, "dash"), (BASELINE, "dot"))

Scores = Mapping[str, "NDArray[np.float64]"]
"""Finite scores (N,) of each part, by its name; three parts at most."""


def step_histogram(scores: Scores, target: str) -> PlotlyFigure:
    """Return the plot of shares in per cent, so that parts of different size can be compared."""
    from plotly.graph_objects import Figure, Scatter

    edges, figure = _edges(scores), Figure()
    for (part, values), (colour, dash) in zip(scores.items(), _LOOKS, strict=False):
        shares = _shares(values, edges)
        figure.add_trace(
            Scatter(
                x=edges.round(4).tolist(),
                y=[*shares, shares[-1]],
                mode="lines",
                name=f"{escape_label(part)} (n = {len(values)})",
                line={"color": colour, "dash": dash, "width": 2, "shape": "hv"},
                hovertemplate="from %{x:.2f}: %{y:.1f} %<extra></extra>",
            )
        )
    figure.update_xaxes(title_text=f"{escape_label(target)} (MOS)", zeroline=False)
    figure.update_yaxes(title_text="% of the part's images", rangemode="tozero")
    return figure


def _edges(scores: Scores) -> NDArray[np.float64]:
    together = np.concatenate(list(scores.values()))
    return np.histogram_bin_edges(together, BINS)


def _shares(values: NDArray[np.float64], edges: NDArray[np.float64]) -> list[float]:
    counts = np.histogram(values, edges)[0]
    return [round(float(count), 3) for count in 100 * counts / max(1, len(values))]
