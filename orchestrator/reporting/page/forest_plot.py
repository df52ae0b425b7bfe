"""Forest plot of points with their intervals in groups of rows, drawn with Plotly or Matplotlib."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import wrap
from typing import TYPE_CHECKING

from orchestrator.reporting.page.comparison_rows import ForestRow
from orchestrator.reporting.page.markup import escape_label, wrapped_label
from orchestrator.reporting.page.palette import NEUTRAL

if TYPE_CHECKING:
    from matplotlib.figure import Figure as MatplotlibFigure
    from plotly.graph_objects import Figure as PlotlyFigure

Groups = Mapping[str, Sequence[ForestRow]]
"""Rows of each group, by the heading of the group; a single group needs no heading."""

MIN_HEIGHT = 320
"""Pixels; the page reserves them for every chart."""


def forest_plot(groups: Groups, axis: str, differences: bool = False) -> PlotlyFigure:
    """Return the plot; differences have a line at 0, and an open point if their interval contains 0."""
    from plotly.graph_objects import Scatter
    from plotly.subplots import make_subplots

    sizes = [len(rows) for rows in groups.values()]
    titles = [escape_label(name) for name in groups] if len(groups) > 1 else None
    figure = make_subplots(
        rows=len(groups),
        shared_xaxes=True,
        subplot_titles=titles,
        row_heights=sizes,
        vertical_spacing=0.15 / len(groups),
    )
    for number, rows in enumerate(groups.values(), 1):
        for position, row in enumerate(rows):
            figure.add_trace(
                Scatter(
                    x=[row.estimate],
                    y=[position],
                    error_x=_error(row),
                    mode="markers+text",
                    text=[_number(row.estimate, differences)],
                    textposition="top center",
                    marker={
                        "color": row.colour,
                        "size": 10,
                        "symbol": "circle-open" if differences and not row.conclusive else "circle",
                        "line": {"color": row.colour, "width": 2},
                    },
                    hovertext=f"{escape_label(row.label)}<br>{_sentence(row, differences)}",
                    hoverinfo="text",
                    showlegend=False,
                ),
                row=number,
                col=1,
            )
        figure.update_yaxes(
            row=number,
            tickvals=list(range(len(rows))),
            ticktext=[wrapped_label(row.label) for row in rows],
            range=[len(rows) - 0.4, -0.8],
            showgrid=False,
            zeroline=False,
            fixedrange=True,
        )
        if differences:
            figure.add_vline(x=0, line={"color": NEUTRAL, "width": 2, "dash": "dash"}, row=number, col=1)
    figure.update_annotations(x=0, xanchor="left")  # headings of the groups
    figure.update_xaxes(title_text=axis, row=len(groups), zeroline=False, fixedrange=True)
    figure.update_layout(
        height=max(MIN_HEIGHT, 90 + 52 * sum(sizes) + 40 * (len(groups) - 1)), margin={"t": 30 if titles else 16}
    )
    return figure


def draw_forest(figure: MatplotlibFigure, groups: Groups, axis: str, differences: bool = False) -> None:
    """Draw the same with Matplotlib on an empty figure."""
    sizes = [max(1, len(rows)) for rows in groups.values()]
    figure.set_size_inches(8, 0.5 * sum(sizes) + 0.5 * len(groups) + 0.8)
    axes = figure.subplots(len(groups), 1, sharex=True, squeeze=False, height_ratios=sizes)[:, 0]
    for plot, (name, rows) in zip(axes, groups.items(), strict=True):
        for position, row in enumerate(rows):
            if row.low is not None and row.high is not None:
                plot.plot([row.low, row.high], [position] * 2, color=row.colour, lw=2, alpha=0.6)
            filled = row.colour if row.conclusive or not differences else "white"
            plot.scatter(row.estimate, position, color=filled, edgecolors=row.colour, linewidths=1.8, s=36, zorder=3)
            plot.annotate(
                *(_number(row.estimate, differences), (row.estimate, position), (0, 6)),
                textcoords="offset points",
                ha="center",
                fontsize=7,
            )
        plot.set_yticks(range(len(rows)), ["\n".join(wrap(row.label, 30)) for row in rows])
        plot.set_ylim(len(rows) - 0.4, -0.8)
        plot.grid(axis="x", alpha=0.3)
        if len(groups) > 1:
            plot.set_title(name, fontsize=9, loc="left")
        if differences:
            plot.axvline(0, color=NEUTRAL, lw=1, ls="--")
    axes[-1].set_xlabel(axis)


def _error(row: ForestRow) -> dict[str, object] | None:
    if row.low is None or row.high is None:
        return None
    return {
        "type": "data",
        "symmetric": False,
        "array": [row.high - row.estimate],
        "arrayminus": [row.estimate - row.low],
        "thickness": 2,
        "width": 5,
        "color": row.colour,
    }


def _number(value: float, signed: bool) -> str:
    return f"{value:+.3f}" if signed else f"{value:.3f}"


def _sentence(row: ForestRow, signed: bool) -> str:
    if row.low is None or row.high is None:
        return f"{_number(row.estimate, signed)}, no interval"
    low, high = (_number(bound, signed) for bound in (row.low, row.high))
    return f"{_number(row.estimate, signed)}, 95 % interval [{low}, {high}]"
