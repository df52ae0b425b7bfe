"""Section with the predictions of the representative run against the mean opinion scores of the test images."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from orchestrator.reporting.page.generator_styles import OTHERS, generator_styles
from orchestrator.reporting.page.markup import escape_label, wrapped_label
from orchestrator.reporting.page.palette import NEUTRAL
from orchestrator.reporting.page.run_predictions import NoPredictions, RunPredictions, run_predictions
from orchestrator.reporting.page.section import Chart, Section
from orchestrator.reporting.sweep_record import SweepRecord

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure as MatplotlibFigure
    from plotly.graph_objects import Figure as PlotlyFigure


def predictions(record: SweepRecord) -> Section | None:
    """Return the section on the predictions; it says why if there are none, and is missing in an unfinished sweep."""
    try:
        found = run_predictions(record)
    except NoPredictions as reason:
        return Section("predicted-scores", "Predictions", (str(reason),))
    if found is None or record.result is None:
        return None
    marked = " (optimistic)" if record.result.get("optimistic") else ""
    charts = []
    for number, target in enumerate(found.targets):
        name = "predictions" if number == 0 else f"predictions-{number + 1}"
        title = f"Predicted and rated {target}: {found.agreement(target)}{marked}"
        caption = f"{len(found.table)} test images of {found.key}. On the line both scores are equal."
        draw = partial(_draw, found=found, marked=marked) if number == 0 else None
        charts.append(Chart(name, title, caption, _figure(found, target), draw))
    trial, splits = record.result["best"]["trial"], record.spec.splits
    split = "" if found.split is None else f" on split {found.split}"
    agreement = "; ".join(f"{found.agreement(target)} for {target}" for target in found.targets)
    medians = f" The test figures above are medians over {splits} such runs." if splits > 1 else ""
    sentence = (
        f"Shown is {found.key}, the run of trial {trial} with the median validation score{split}. "
        f"On the test images it has {agreement}.{medians}"
    )
    return Section("predicted-scores", "Predictions", (sentence,), tuple(charts))


def by_generator(table: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Return the rows of each generator that has a style, and of all others together."""
    styles = generator_styles(list(table["generator"]))
    group = table["generator"].where(table["generator"].isin(list(styles)), OTHERS)
    return [(name, table[group == name]) for name in styles]


def _figure(found: RunPredictions, target: str) -> PlotlyFigure:
    from plotly.graph_objects import Figure, Scatter

    figure, table = Figure(), found.table
    styles = generator_styles(list(table["generator"]))
    low, high = _limits(table, target)
    figure.add_trace(
        Scatter(
            x=[low, high],
            y=[low, high],
            mode="lines",
            line={"color": NEUTRAL, "width": 1},
            showlegend=False,
            hoverinfo="skip",
        )
    )
    for name, rows in by_generator(table):
        figure.add_trace(
            Scatter(
                x=rows[f"predicted_{target}"].round(4).tolist(),
                y=rows[target].round(4).tolist(),
                mode="markers",
                name=escape_label(name),
                marker={"color": styles[name].colour, "symbol": styles[name].symbol, "size": 7, "opacity": 0.85},
                customdata=[hover_text(row) for row in rows[["name", "prompt", "generator"]].itertuples(index=False)],
                hovertemplate="%{customdata}<br>predicted %{x:.2f}, rated %{y:.2f}<extra></extra>",
            )
        )
    bounds = [low, high]
    figure.update_xaxes(title_text=f"predicted {escape_label(target)}", range=bounds, constrain="domain")
    figure.update_yaxes(
        title_text=f"rated {escape_label(target)} (MOS)", range=bounds, scaleanchor="x", constrain="domain"
    )
    figure.update_layout(height=560)
    return figure


def hover_text(row: tuple[str, ...]) -> str:
    """Return the hover text of an image: its name, prompt and generator, each escaped."""
    name, prompt, generator = (str(value) for value in row)
    lines = (f"<b>{escape_label(name)}</b>", wrapped_label(prompt, 6, width=48), escape_label(generator))
    return "<br>".join(filter(None, lines))


def _limits(table: pd.DataFrame, target: str) -> tuple[float, float]:
    """Return the limits of both axes, so that they are equal and no point is on the edge."""
    both = table[[target, f"predicted_{target}"]]
    low, high = float(both.min().min()), float(both.max().max())
    edge = 0.04 * (high - low) or 1.0
    return low - edge, high + edge


def _draw(figure: MatplotlibFigure, found: RunPredictions, marked: str) -> None:
    """Draw the scatter plots of all scores next to each other with Matplotlib."""
    figure.set_size_inches(5 * len(found.targets) + 0.4, 5.6)
    styles = generator_styles(list(found.table["generator"]))
    axes = figure.subplots(1, len(found.targets), squeeze=False)[0]
    for axis, target in zip(axes, found.targets, strict=True):
        low, high = _limits(found.table, target)
        axis.plot([low, high], [low, high], color=NEUTRAL, lw=0.8)
        for name, rows in by_generator(found.table):
            style = styles[name]
            predicted, rated = rows[f"predicted_{target}"], rows[target]
            axis.scatter(predicted, rated, s=12, alpha=0.7, color=style.colour, marker=style.marker, lw=0, label=name)
        axis.set(xlim=(low, high), ylim=(low, high), aspect="equal")
        axis.set(
            xlabel=f"predicted {target}",
            ylabel=f"{target} (mean opinion score)",
            title=f"{found.agreement(target)}{marked}",
        )
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False, fontsize=7, markerscale=1.5)
