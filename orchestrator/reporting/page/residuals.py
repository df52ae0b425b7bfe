"""Section with the residuals, predicted minus rated, by generator and by score."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from orchestrator.reporting.page.forest_plot import MIN_HEIGHT
from orchestrator.reporting.page.markup import escape_label, wrapped_label
from orchestrator.reporting.page.palette import NEUTRAL, VARIANT
from orchestrator.reporting.page.residual_means import (
    MeanResidual,
    generator_sentence,
    residuals_by_generator,
    residuals_by_score,
    score_sentence,
)
from orchestrator.reporting.page.run_predictions import NoPredictions, run_predictions
from orchestrator.reporting.page.section import Chart, Section
from orchestrator.reporting.sweep_record import SweepRecord

if TYPE_CHECKING:
    from matplotlib.figure import Figure as MatplotlibFigure
    from plotly.graph_objects import Figure as PlotlyFigure

CAPTION = "Mean of predicted minus rated, with its 95 % interval over prompts; above 0 the model overrates."


def residuals(record: SweepRecord) -> Section | None:
    """Return the section on residuals; missing if there are no predictions, since the section before says so."""
    try:
        found = run_predictions(record)
    except NoPredictions:
        return None
    if found is None:
        return None
    sentences, charts = [], []
    for number, target in enumerate(found.targets, 1):
        suffix = f"-{number}" if number > 1 else ""
        generators, scores = residuals_by_generator(found.table, target), residuals_by_score(found.table, target)
        sentences += [score_sentence(target, scores), generator_sentence(target, generators)]
        charts += [
            Chart(
                f"residuals-by-score{suffix}",
                f"Residuals of {target} by score",
                f"{CAPTION} The parts have equally many images.",
                _by_score(scores, target),
                partial(_draw_by_score, means=scores, target=target),
            ),
            Chart(
                f"residuals-by-generator{suffix}",
                f"Residuals of {target} by generator",
                CAPTION,
                _by_generator(generators),
                partial(_draw_by_generator, means=generators),
            ),
        ]
    return Section("residuals", "Residuals", tuple(filter(None, sentences)), tuple(charts))


def _by_score(means: Sequence[MeanResidual], target: str) -> PlotlyFigure:
    from plotly.graph_objects import Figure, Scatter

    figure = Figure(
        Scatter(
            x=[mean.centre for mean in means],
            y=[mean.mean for mean in means],
            error_y=_error(means),
            mode="lines+markers",
            line={"color": VARIANT, "width": 1},
            marker={"color": VARIANT, "size": 9},
            customdata=[f"{escape_label(mean.name)}, n = {mean.images}" for mean in means],
            hovertemplate="rated %{customdata}<br>%{y:+.3f}<extra></extra>",
            showlegend=False,
        )
    )
    figure.add_hline(y=0, line={"color": NEUTRAL, "width": 2, "dash": "dash"})
    figure.update_xaxes(title_text=f"rated {escape_label(target)} (MOS)", zeroline=False)
    figure.update_yaxes(title_text="predicted − rated", zeroline=False)
    return figure


def _by_generator(means: Sequence[MeanResidual]) -> PlotlyFigure:
    from plotly.graph_objects import Figure, Scatter

    positions = list(range(len(means)))
    figure = Figure(
        Scatter(
            x=[mean.mean for mean in means],
            y=positions,
            error_x=_error(means),
            mode="markers",
            marker={"color": VARIANT, "size": 9},
            customdata=[f"{escape_label(mean.name)}, n = {mean.images}" for mean in means],
            hovertemplate="%{customdata}<br>%{x:+.3f}<extra></extra>",
            showlegend=False,
        )
    )
    figure.add_vline(x=0, line={"color": NEUTRAL, "width": 2, "dash": "dash"})
    labels = [f"{wrapped_label(mean.name, 2)}<br>n = {mean.images}" for mean in means]
    figure.update_xaxes(title_text="predicted − rated", zeroline=False)
    figure.update_yaxes(tickvals=positions, ticktext=labels, range=[len(means) - 0.4, -0.6], showgrid=False)
    figure.update_layout(height=max(MIN_HEIGHT, 90 + 44 * len(means)))
    return figure


def _error(means: Sequence[MeanResidual]) -> dict[str, object]:
    return {"type": "data", "array": [mean.margin or 0.0 for mean in means], "thickness": 2, "width": 5}


def _draw_by_score(figure: MatplotlibFigure, means: Sequence[MeanResidual], target: str) -> None:
    figure.set_size_inches(6, 3.8)
    axis = figure.subplots()
    centres, errors = [mean.centre for mean in means], [mean.margin or 0.0 for mean in means]
    axis.errorbar(centres, [mean.mean for mean in means], errors, color=VARIANT, fmt="o-", lw=1, capsize=3)
    axis.axhline(0, color=NEUTRAL, lw=1, ls="--")
    axis.set(xlabel=f"{target} (mean opinion score)", ylabel="predicted − rated")


def _draw_by_generator(figure: MatplotlibFigure, means: Sequence[MeanResidual]) -> None:
    figure.set_size_inches(6, 0.35 * len(means) + 1)
    axis = figure.subplots()
    errors = [mean.margin or 0.0 for mean in means]
    axis.errorbar([mean.mean for mean in means], range(len(means)), xerr=errors, color=VARIANT, fmt="o", capsize=3)
    axis.axvline(0, color=NEUTRAL, lw=1, ls="--")
    axis.set_yticks(range(len(means)), [f"{mean.name} (n = {mean.images})" for mean in means])
    axis.invert_yaxis()
    axis.set(xlabel="predicted − rated")
