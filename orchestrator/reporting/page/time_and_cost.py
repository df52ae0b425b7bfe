"""Section on time and cost: which slot ran what and when, seconds, slots, GPU hours, and what pruning saved."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from orchestrator.reporting.page.draw_figure import draw_like
from orchestrator.reporting.page.markup import escape_label
from orchestrator.reporting.page.palette import CONTROL, OUTCOME_COLOURS
from orchestrator.reporting.page.run_spans import RunSpan, assign_slots, read_spans
from orchestrator.reporting.page.section import Chart, Section
from orchestrator.reporting.page.sweep_cost import cost_table
from orchestrator.reporting.sweep_record import SweepRecord

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_MOST_RUNS = 1000


def time_and_cost(record: SweepRecord) -> Section | None:
    """Return the section on time and cost; it says so if nothing has run."""
    spans = read_spans(record)
    if not spans:
        return Section("cost", "Time and cost", ("Nothing has run yet.",))
    shown = spans[-_MOST_RUNS:]
    figure = _figure(shown)
    hosts = {span.host for span in spans if span.host}
    caption = "A bar per run, with interruptions; one row per slot (a slot is room for one run at a time)."
    caption += f" The last {len(shown)} of {len(spans)} runs are drawn." if len(shown) < len(spans) else ""
    caption += "" if hosts else " Hosts are unknown, so that slots are derived from the times."
    chart = Chart("timeline", "Timeline of the slots", caption, figure, draw_like(figure))
    return Section("cost", "Time and cost", (), (chart,), cost_table(record, spans))


def _figure(spans: Iterable[RunSpan]) -> Figure:
    from plotly.graph_objects import Bar, Figure

    rows = assign_slots(spans)
    first = min(span.started for span, _ in rows)
    unit, seconds = _unit(max(span.ended for span, _ in rows) - first)
    labels = sorted({label for _, label in rows}, key=_natural)
    figure = Figure()
    for outcome in dict.fromkeys(span.outcome for span, _ in rows):
        own = [(span, label) for span, label in rows if span.outcome == outcome]
        figure.add_trace(
            Bar(
                orientation="h",
                base=[round(_since(span.started, first) / seconds, 4) for span, _ in own],
                x=[round(max((span.ended - span.started).total_seconds(), 0.05) / seconds, 4) for span, _ in own],
                y=[labels.index(label) for _, label in own],
                text=[escape_label(span.describe()) for span, _ in own],
                textposition="none",
                name=outcome,
                marker={"color": OUTCOME_COLOURS.get(outcome, CONTROL), "line": {"width": 0}},
                hovertemplate="%{text}<extra></extra>",
            )
        )
    figure.update_layout(
        barmode="overlay",
        bargap=0.25,
        xaxis_title=f"{unit} since {first:%Y-%m-%d %H:%M:%S}",
        yaxis={"tickvals": list(range(len(labels))), "ticktext": [escape_label(label) for label in labels]},
        height=min(900, 190 + 26 * len(labels)),
    )
    return figure


def _unit(length: timedelta) -> tuple[str, float]:
    seconds = length.total_seconds()
    return ("hours", 3600.0) if seconds > 7200 else ("minutes", 60.0) if seconds > 300 else ("seconds", 1.0)


def _since(moment: datetime, first: datetime) -> float:
    return (moment - first).total_seconds()


def _natural(label: str) -> tuple[str, int]:
    host, _, slot = label.rpartition("slot ")
    return host, int(slot)
