"""Section on the search: objective of every trial, best so far, rungs of the pruner, and every curve."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from orchestrator.execution.job import Study
from orchestrator.reporting.page.best_so_far import best_so_far
from orchestrator.reporting.page.draw_figure import draw_like
from orchestrator.reporting.page.learning_curves import learning_curves
from orchestrator.reporting.page.markup import escape_label, table
from orchestrator.reporting.page.palette import STUDY_COLOURS, STUDY_NAMES
from orchestrator.reporting.page.section import Chart, Section
from orchestrator.reporting.page.thin_out import evenly_spaced
from orchestrator.reporting.sweep_record import SweepRecord
from orchestrator.search.ledger_trial import LedgerTrial
from orchestrator.search.outcome import Outcome

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

SEARCHES: tuple[Study, ...] = ("search", "control")

_MOST_PRUNED = 400
"""Trials of a study, other than complete ones, that are drawn; a browser slows down with many more."""
_MOST_COMPLETE = 800


def search_history(record: SweepRecord) -> Section | None:
    """Return the section on the search; it says so if no trial has ended."""
    sentences = tuple(_counts(record, study) for study in SEARCHES if record.studies.get(study))
    if not sentences:
        return Section("search", "Search", ("No trial has started yet.",))
    figure, drawn, scored = _history(record)
    charts = []
    if scored:
        caption = (
            "Validation SRCC of each trial's best epoch (SRCC is the rank correlation with the people's scores: "
            "1 is the same order); a cross was stopped early or ended by an error. Lines: best so far of the "
            "complete trials. The control is the same head without a hypernetwork."
        )
        caption += f" Of {scored} trials {drawn} are drawn, the best among them." if drawn < scored else ""
        charts.append(Chart("search", "Search history", caption, figure, draw_like(figure)))
    else:
        sentences = (*sentences, "No trial has ended with a finite score yet, so there is nothing to draw.")
    if curves := learning_curves(record):
        charts.append(curves)
    return Section("search", "Search", sentences, tuple(charts), _rungs(record))


def _counts(record: SweepRecord, study: Study) -> str:
    trials = record.studies[study]
    counts = Counter(trial.outcome for trial in trials)
    ended = ", ".join(f"{counts[outcome]} {outcome}" for outcome in Outcome if counts[outcome])
    running = f"{counts[None]} unfinished" if counts[None] else ""
    name = record.spec.variant if study == "search" else "its control"
    return f"{len(trials)} of {record.spec.trials} trials of {name}: {', '.join(filter(None, (ended, running)))}."


def _history(record: SweepRecord) -> tuple[Figure, int, int]:
    """Return the figure, and how many trials it shows of how many."""
    from plotly.graph_objects import Figure, Scatter

    figure, drawn, scored = Figure(), 0, 0
    for study in SEARCHES:
        trials = [trial for trial in record.studies.get(study, []) if trial.objective is not None]
        shown = _shown(trials)
        scored, drawn = scored + len(trials), drawn + len(shown)
        for complete in (True, False):
            own = [trial for trial in shown if (trial.outcome is Outcome.COMPLETE) is complete]
            if own:
                figure.add_trace(
                    Scatter(
                        x=[trial.number for trial in own],
                        y=[trial.objective for trial in own],
                        mode="markers",
                        name=f"{STUDY_NAMES[study]}{'' if complete else ', stopped'}",
                        text=[_hover(trial) for trial in own],
                        hovertemplate="%{text}<extra></extra>",
                        opacity=1 if complete else 0.6,
                        marker={
                            "color": STUDY_COLOURS[study],
                            "size": 7 if complete else 5,
                            "symbol": "circle" if complete else "x-thin-open",
                            "line": {"width": 0 if complete else 1.5},
                        },
                    )
                )
        if best := best_so_far(trials):
            figure.add_trace(
                Scatter(
                    x=[number for number, _ in best],
                    y=[value for _, value in best],
                    mode="lines",
                    line={"shape": "hv", "color": STUDY_COLOURS[study], "width": 2},
                    name=f"{STUDY_NAMES[study]}, best so far",
                    hovertemplate="best after trial %{x}: %{y:.4f}<extra></extra>",
                )
            )
    figure.update_layout(xaxis_title="trial", yaxis_title="validation SRCC", height=420)
    return figure, drawn, scored


def _shown(trials: list[LedgerTrial]) -> list[LedgerTrial]:
    complete = sorted((t for t in trials if t.outcome is Outcome.COMPLETE), key=lambda t: -(t.objective or 0))
    others = [trial for trial in trials if trial.outcome is not Outcome.COMPLETE]
    return [*complete[:_MOST_COMPLETE], *evenly_spaced(others, _MOST_PRUNED)]


def _hover(trial: LedgerTrial) -> str:
    return escape_label(f"trial {trial.number}, {trial.outcome}, {trial.objective:.4f} at epoch {trial.best_epoch}")


def _rungs(record: SweepRecord) -> str:
    """Return a table of the epochs at which trials were pruned; empty if none was."""
    rows = []
    for study in SEARCHES:
        trials = record.studies.get(study, [])
        stops = Counter(trial.last_epoch for trial in trials if trial.outcome is Outcome.PRUNED)
        for epoch in sorted(key for key in stops if key is not None):
            reached = sum((trial.last_epoch or 0) >= epoch for trial in trials)
            rows.append((f"{STUDY_NAMES[study]}, epoch {epoch}", reached, stops[epoch], reached - stops[epoch]))
    title = f"Rungs: epochs at which the pruner {record.spec.pruner} stopped trials"
    return table(("", "reached", "stopped", "continued"), rows[:40], title) if rows else ""
