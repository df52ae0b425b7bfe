"""Chart of every trial's validation SRCC by epoch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from orchestrator.execution.job import Study
from orchestrator.reporting.page.draw_figure import draw_like
from orchestrator.reporting.page.palette import STUDY_COLOURS, STUDY_NAMES
from orchestrator.reporting.page.section import Chart
from orchestrator.reporting.page.thin_out import evenly_spaced
from orchestrator.reporting.sweep_record import SweepRecord
from orchestrator.search.ledger_trial import LedgerTrial
from orchestrator.search.outcome import Outcome

_STUDIES: tuple[Study, ...] = ("control", "search")
"""Studies in the order in which they are drawn; the variant lies on top."""

_MOST_CURVES, _MOST_EPOCHS = 250, 60
"""Curves of a study and points of a curve that are drawn."""


def learning_curves(record: SweepRecord) -> Chart | None:
    """Return the chart; None if no epoch has ended."""
    from plotly.graph_objects import Figure, Scatter

    figure, drawn, known = Figure(), 0, 0
    for study in _STUDIES:
        trials = [trial for trial in record.studies.get(study, []) if _finite(trial)]
        shown = _shown(trials)
        known, drawn = known + len(trials), drawn + len(shown)
        for complete in (False, True):
            own = [trial for trial in shown if (trial.outcome is Outcome.COMPLETE) is complete]
            if own:
                x, y, numbers = _joined(own)
                figure.add_trace(
                    Scatter(
                        x=x,
                        y=y,
                        text=numbers,
                        mode="lines+markers",
                        name=f"{STUDY_NAMES[study]}{'' if complete else ', stopped or running'}",
                        opacity=0.9 if complete else 0.45,
                        line={"color": STUDY_COLOURS[study], "width": 1.2, "dash": "solid" if complete else "dot"},
                        marker={"color": STUDY_COLOURS[study], "size": 4},
                        hovertemplate="trial %{text}, epoch %{x}: %{y:.4f}<extra></extra>",
                    )
                )
    if not known:
        return None
    figure.update_layout(xaxis_title="epoch", yaxis_title="validation SRCC", height=420, hovermode="closest")
    caption = "Validation SRCC after each epoch, a line per trial; a dot alone is a trial of one epoch."
    caption += f" Of {known} curves {drawn} are drawn: the best, and others evenly spaced." if drawn < known else ""
    return Chart("curves", "Every curve", caption, figure, draw_like(figure))


def _finite(trial: LedgerTrial) -> list[tuple[int, float]]:
    return [(epoch, value) for epoch, value in sorted(trial.epochs.items()) if math.isfinite(value)]


def _shown(trials: Sequence[LedgerTrial]) -> list[LedgerTrial]:
    if len(trials) <= _MOST_CURVES:
        return list(trials)
    ranked = sorted(trials, key=lambda trial: -max(value for _, value in _finite(trial)))
    best = ranked[: _MOST_CURVES // 5]
    return [*best, *evenly_spaced(ranked[len(best) :], _MOST_CURVES - len(best))]


def _joined(trials: Sequence[LedgerTrial]) -> tuple[list[Any], list[Any], list[Any]]:
    """Return x, y and trial numbers of all curves in one trace, with a gap after each."""
    x: list[Any] = []
    y: list[Any] = []
    numbers: list[Any] = []
    for trial in trials:
        points = evenly_spaced(_finite(trial), _MOST_EPOCHS)
        x += [*(epoch for epoch, _ in points), None]
        y += [*(round(value, 5) for _, value in points), None]
        numbers += [trial.number] * (len(points) + 1)
    return x, y, numbers
