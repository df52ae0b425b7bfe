"""Chart of parallel coordinates: a line per trial across the objective and the most important parameters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from orchestrator.reporting.page.draw_figure import draw_like
from orchestrator.reporting.page.markup import escape_label
from orchestrator.reporting.page.palette import CONTROL, NEUTRAL, VARIANT
from orchestrator.reporting.page.section import Chart
from orchestrator.search.varied_parameters import format_value

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

_GROUPS = {
    "others": (0.2, 0.8, NEUTRAL, 0.35),
    "worst fifth": (0, 0.2, CONTROL, 0.8),
    "best fifth": (0.8, 1, VARIANT, 0.9),
}
"""Name of a group of trials → where it begins and ends in the ranking, worst first; colour and opacity."""


def parallel_coordinates(trials: Sequence[FrozenTrial], names: Sequence[str], omitted: str) -> list[Chart]:
    """Return the chart; none if there are fewer than two trials with these parameters.

    Plotly's own type for it draws with WebGL, which the page's policy forbids and paper cannot show.
    """
    from plotly.graph_objects import Figure, Scatter

    trials = [trial for trial in trials if all(name in trial.params for name in names)]
    if len(trials) < 2:
        return []
    trials.sort(key=lambda trial: trial.value or 0.0)
    axes = [_objective_axis(trials), *(_parameter_axis(trials, name) for name in names)]
    figure = Figure()
    for name, (begin, end, colour, opacity) in _GROUPS.items():
        own = range(round(len(trials) * begin), round(len(trials) * end))
        x, y, text = [], [], []
        for row in own:
            x += [*range(len(axes)), None]
            y += [*(axis["heights"][row] for axis in axes), None]
            text += [_hover(trials[row], names)] * (len(axes) + 1)
        if x:
            figure.add_trace(
                Scatter(
                    x=x,
                    y=y,
                    text=text,
                    mode="lines",
                    line={"color": colour, "width": 1.3},
                    opacity=opacity,
                    name=name,
                    hovertemplate="%{text}<extra></extra>",
                )
            )
    _draw_axes(figure, axes, ["validation SRCC", *names])
    caption = (
        "A line per trial, from its validation SRCC across the most important parameters; the best fifth is "
        f"blue, the worst fifth orange. Click on an entry of the legend to hide its lines.{omitted}"
    )
    sentence = "Parallel coordinates need a wider screen; turn the device, or open the picture parallel.png."
    return [Chart("parallel", "Parallel coordinates", caption, figure, draw_like(figure), wide_only=sentence)]


def _draw_axes(figure: Any, axes: list[dict[str, Any]], names: Sequence[str]) -> None:
    line = {"color": NEUTRAL, "width": 1}
    shapes = [{"type": "line", "x0": place, "x1": place, "y0": 0, "y1": 1, "line": line} for place in range(len(axes))]
    look = {"showarrow": False, "xanchor": "left", "xshift": 4, "font": {"size": 10}}
    notes = [
        {"x": place, "y": height, "text": escape_label(text), **look}
        for place, axis in enumerate(axes)
        for height, text in axis["ticks"]
    ]
    labels = [escape_label(name) for name in names]
    figure.update_layout(
        height=460,
        hovermode="closest",
        shapes=shapes,
        annotations=notes,
        xaxis={"tickvals": list(range(len(axes))), "ticktext": labels, "showgrid": False, "zeroline": False},
        yaxis={"visible": False, "range": [-0.04, 1.06]},
    )
    figure.update_xaxes(range=[-0.1, len(axes) - 1 + 0.35])


def _objective_axis(trials: Sequence[FrozenTrial]) -> dict[str, Any]:
    return _numeric_axis([trial.value or 0.0 for trial in trials], False)


def _parameter_axis(trials: Sequence[FrozenTrial], name: str) -> dict[str, Any]:
    from optuna.distributions import CategoricalDistribution, IntDistribution

    distribution: BaseDistribution = trials[0].distributions[name]
    values = [trial.params[name] for trial in trials]
    if isinstance(distribution, CategoricalDistribution):
        choices = list(distribution.choices)
        last = max(1, len(choices) - 1)
        ticks = [(place / last, str(choice)) for place, choice in enumerate(choices)]
        return {
            "heights": [choices.index(value) / last if value in choices else None for value in values],
            "ticks": ticks,
        }
    whole = isinstance(distribution, IntDistribution)
    return _numeric_axis([float(value) for value in values], bool(getattr(distribution, "log", False)), whole)


def _numeric_axis(values: Sequence[float], log: bool, whole: bool = False) -> dict[str, Any]:
    scale = math.log10 if log and min(values) > 0 else float
    low, high = scale(min(values)), scale(max(values))
    width = (high - low) or 1.0
    ticks = [low + width * part / 4 for part in range(5)] if high > low else [low]
    shown = [10**tick if scale is math.log10 else tick for tick in ticks]
    if whole:
        shown = sorted({float(round(tick)) for tick in shown})
    return {
        "heights": [round((scale(value) - low) / width, 4) for value in values],
        "ticks": [((scale(tick) - low) / width, f"{tick:.0f}" if whole else format_value(tick)) for tick in shown],
    }


def _hover(trial: FrozenTrial, names: Sequence[str]) -> str:
    parts = [
        f"trial {trial.number}: {trial.value:.4f}",
        *(f"{name} {format_value(trial.params[name])}" for name in names),
    ]
    return "<br>".join(escape_label(part) for part in parts)
