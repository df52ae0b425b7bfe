"""Section on the search: the objective of every trial, and the best so far."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.reporting.page.palette import STUDY_COLOURS, STUDY_NAMES
from orchestrator.reporting.page.section import Chart, Section
from orchestrator.reporting.sweep_record import SweepRecord
from orchestrator.search.outcome import Outcome

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


def search_history(record: SweepRecord) -> Section | None:
    """Return the section on the search; it says so if no trial has ended."""
    figure = _figure(record)
    if not figure.data:
        return Section("search", "Search", ("No trial has ended with a finite score yet.",))
    caption = "Validation SRCC of each trial's best epoch; a cross was stopped early."
    return Section("search", "Search", (), (Chart("history", "Search history", caption, figure),))


def _figure(record: SweepRecord) -> Figure:
    from plotly.graph_objects import Figure, Scatter

    figure = Figure()
    for study in ("search", "control"):
        trials = [trial for trial in record.studies.get(study, []) if trial.objective is not None]
        if trials:
            figure.add_trace(
                Scatter(
                    x=[trial.number for trial in trials],
                    y=[trial.objective for trial in trials],
                    mode="markers",
                    name=STUDY_NAMES[study],
                    marker={
                        "color": STUDY_COLOURS[study],
                        "symbol": ["circle" if trial.outcome is Outcome.COMPLETE else "x" for trial in trials],
                    },
                )
            )
    figure.update_layout(xaxis_title="trial", yaxis_title="validation SRCC")
    return figure
