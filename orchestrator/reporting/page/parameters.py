"""Section on the parameters: importance, parallel coordinates, slices and contour of the variant's search."""

from __future__ import annotations

import math
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
    trials = record.studies.get("search", [])
    complete = sum(trial.outcome is Outcome.COMPLETE for trial in trials)
    scored = sum(trial.outcome in {Outcome.COMPLETE, Outcome.PRUNED} for trial in trials)
    study = None
    if scored >= _FEWEST_TRIALS:
        study = record.optuna_study("search")
        study = study if complete >= _FEWEST_TRIALS else _with_pruned(study)
    importances = _importances(study) if study is not None else {}
    if study is None or not importances:
        fewest = f"Too few trials to compare the parameters yet; {_FEWEST_TRIALS} with a finite score are needed."
        return Section("parameters", title, (fewest,))
    early = () if complete >= _FEWEST_TRIALS else (_EARLY,)
    few, count = _some(study, _MOST_TRIALS)
    names = list(importances)
    omitted = _omitted(few, count)
    charts = [_importance_chart(importances), *parallel_coordinates(few, names[:5], omitted)]
    charts.append(_slices(few, names[:2], omitted))
    if len(names) > 1:
        charts.append(_contour(*_some(study, _MOST_IN_CONTOUR), names[:2]))
    return Section("parameters", title, (_sentence(importances), *early), tuple(charts))


def _with_pruned(study: Study) -> Study:
    """Return a study in which pruned trials are complete with their best epoch's objective."""
    import optuna
    from optuna.trial import TrialState, create_trial

    made = optuna.create_study(direction="maximize")
    for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED)):
        finite = [value for value in trial.intermediate_values.values() if math.isfinite(value)]
        if finite and trial.user_attrs.get("outcome") != Outcome.DIVERGED:
            made.add_trial(create_trial(value=max(finite), params=trial.params, distributions=trial.distributions))
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


def _omitted(few: Study, count: int) -> str:
    shown = len(few.trials)
    return f" Of {count} trials {shown} are drawn, the best among them." if count > shown else ""


def _some(study: Study, most: int) -> tuple[Study, int]:
    """Return a study with some of the complete trials, and how many there are in all."""
    import optuna
    from optuna.trial import TrialState

    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    ranked = sorted(complete, key=lambda trial: -(trial.value or 0))
    best = ranked[: most // 2]
    few = optuna.create_study(direction="maximize")
    few.add_trials([*best, *evenly_spaced(ranked[len(best) :], most - len(best))])
    return few, len(complete)


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


def _contour(study: Study, count: int, names: list[str]) -> Chart:
    from optuna.visualization import plot_contour

    figure = plot_contour(study, params=names)
    for trace in figure.data:
        if trace.type == "contour":
            trace.update(colorscale="Cividis", reversescale=False, colorbar={"title": "SRCC"}, hoverinfo="skip")
        else:
            trace.marker.update(color="#ffffff", size=6, line={"color": "#000000", "width": 1})
    figure.update_layout(height=460, width=None, showlegend=False)
    caption = f"Validation SRCC between the trials (points), interpolated by Optuna.{_omitted(study, count)}"
    return Chart("contour", f"{names[0]} and {names[1]}", caption, figure, draw_like(figure))
