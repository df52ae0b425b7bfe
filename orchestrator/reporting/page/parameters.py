"""Section on the parameters: importance, parallel coordinates, slices and contour of the variant's search."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from orchestrator.reporting.page.draw_figure import draw_like
from orchestrator.reporting.page.markup import escape_label
from orchestrator.reporting.page.palette import VARIANT
from orchestrator.reporting.page.parallel_coordinates import parallel_coordinates
from orchestrator.reporting.page.section import Chart, Section
from orchestrator.reporting.page.thin_out import evenly_spaced
from orchestrator.reporting.sweep_record import SweepRecord
from orchestrator.search.outcome import Outcome

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

_FEWEST_TRIALS = 5
"""Trials below which nothing is said about parameters."""

_EARLY = (
    "So few trials are complete that pruned ones count as well, with the best epoch that they reached, so that a trial "
    "that was stopped early looks worse than it is."
)

_MOST_TRIALS = 300
"""Complete trials in parallel coordinates and slices: the best, and others evenly spaced."""

_MOST_IN_CONTOUR = 90
"""Complete trials in the contour, whose size grows with the square of their number."""


def parameters(record: SweepRecord) -> Section | None:
    """Return the section on the parameters of the variant's search."""
    title = "Parameters"
    complete = _scored_trials(record, {Outcome.COMPLETE})
    early = len(complete) < _FEWEST_TRIALS
    trials = _scored_trials(record, {Outcome.COMPLETE, Outcome.PRUNED}) if early else complete
    study = _study(trials) if len(trials) >= _FEWEST_TRIALS else None
    importances = _importances(study) if study is not None else {}
    if study is None or not importances:
        fewest = f"Too few trials to compare the parameters yet; {_FEWEST_TRIALS} with a finite score are needed."
        return Section("parameters", title, (fewest,))
    few, names = _some(trials, _MOST_TRIALS), list(importances)
    omitted = _omitted(few, trials)
    charts = [_importance_chart(importances), *parallel_coordinates(few, names[:5], omitted)]
    charts.append(_slices(study if len(few) == len(trials) else _study(few), names[:2], omitted))
    if len(names) > 1:
        fewer = _some(trials, _MOST_IN_CONTOUR)
        charts.append(_contour(_study(fewer), names[:2], _omitted(fewer, trials)))
    return Section("parameters", title, (_sentence(importances), *((_EARLY,) if early else ())), tuple(charts))


def _scored_trials(record: SweepRecord, outcomes: Collection[Outcome]) -> list[FrozenTrial]:
    """Return the variant's trials of these outcomes as complete ones with their objective, parameters and number."""
    from optuna.trial import create_trial

    stored = {trial.number: trial for trial in record.optuna_trials.get("search", [])}
    made = []
    for trial in record.studies.get("search", []):
        if trial.outcome in outcomes and trial.objective is not None and (found := stored.get(trial.number)):
            scored = create_trial(value=trial.objective, params=found.params, distributions=found.distributions)
            scored.number = trial.number
            made.append(scored)
    return made


def _study(trials: Sequence[FrozenTrial]) -> Study:
    """Return a study in memory for Optuna's importances and plots; it numbers the trials by their place."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    made = optuna.create_study(direction="maximize")
    made.add_trials(trials)
    return made


def _importances(study: Study) -> dict[str, float]:
    """Return each parameter's share in the objective's variance, largest first; empty with too few trials."""
    import optuna

    try:
        return dict(optuna.importance.get_param_importances(study))
    except (ValueError, RuntimeError):
        return {}


def _sentence(importances: dict[str, float]) -> str:
    (first, share), *rest = importances.items()
    second = f", then {rest[0][0]} ({rest[0][1]:.0%})" if rest else ""
    return (
        f"Of the parameters of the variant, {first} matters most for the validation SRCC ({share:.0%}){second}. The "
        "shares are estimates (PED-ANOVA) and vary with few trials."
    )


def _omitted(few: Sequence[FrozenTrial], trials: Sequence[FrozenTrial]) -> str:
    return f" Of {len(trials)} trials {len(few)} are drawn, the best among them." if len(trials) > len(few) else ""


def _some(trials: Sequence[FrozenTrial], most: int) -> list[FrozenTrial]:
    """Return at most `most` of the trials: the best, and others evenly spaced."""
    ranked = sorted(trials, key=lambda trial: -(trial.value or 0))
    best = ranked[: most // 2]
    return [*best, *evenly_spaced(ranked[len(best) :], most - len(best))]


def _importance_chart(importances: dict[str, float]) -> Chart:
    from plotly.graph_objects import Bar, Figure

    shown = list(importances.items())[:15][::-1]
    names, shares = [escape_label(name) for name, _ in shown], [round(share, 4) for _, share in shown]
    bar = Bar(x=shares, y=names, orientation="h", marker_color=VARIANT, hovertemplate="%{y}: %{x:.1%}<extra></extra>")
    figure = Figure(bar)
    figure.update_layout(xaxis_title="share of the variance", height=120 + 24 * len(shown), xaxis_tickformat=".0%")
    caption = "Share of each parameter in the variance of the validation SRCC."
    caption += f" The {len(shown)} largest of {len(importances)} are drawn." if len(importances) > len(shown) else ""
    return Chart("importance", "Importance", caption, figure, draw_like(figure))


def _slices(study: Study, names: list[str], omitted: str) -> Chart:
    from optuna.visualization import plot_slice

    figure = plot_slice(study, params=names)
    for trace in figure.data:
        trace.marker.update(color=VARIANT, size=6, line={"width": 0}, opacity=0.7)
    for axis in figure.select_yaxes():
        if axis.title.text:
            axis.title.text = "validation SRCC"
    figure.update_traces(marker_showscale=False)
    figure.update_layout(height=380, width=None, showlegend=False)
    caption = f"Validation SRCC of the trials by the most important parameters.{omitted}"
    return Chart("slice", "Slices of the most important", caption, figure, draw_like(figure))


def _contour(study: Study, names: list[str], omitted: str) -> Chart:
    from optuna.visualization import plot_contour

    figure = plot_contour(study, params=names)
    for trace in figure.data:
        if trace.type == "contour":
            trace.update(colorscale="Cividis", reversescale=False, colorbar={"title": "SRCC"}, hoverinfo="skip")
        else:
            trace.marker.update(color="#ffffff", size=6, line={"color": "#000000", "width": 1})
    figure.update_layout(height=460, width=None, showlegend=False)
    caption = f"Validation SRCC between the trials (points), interpolated by Optuna.{omitted}"
    return Chart("contour", f"{names[0]} and {names[1]}", caption, figure, draw_like(figure))
