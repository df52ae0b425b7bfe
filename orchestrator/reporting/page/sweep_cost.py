"""Cost of a sweep: seconds, slots, GPU hours, and the training that pruning saved."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.reporting.duration import duration
from orchestrator.reporting.page.markup import table
from orchestrator.reporting.page.run_spans import RunSpan
from orchestrator.reporting.sweep_record import SweepRecord


def cost_table(record: SweepRecord, spans: Sequence[RunSpan]) -> str:
    """Return a table of what a sweep cost so far, as markup."""
    return table(("", ""), cost_rows(record, spans), "What it cost")


def cost_rows(record: SweepRecord, spans: Sequence[RunSpan]) -> list[tuple[str, str]]:
    """Return name and value of each figure of the cost; a run's CPUs and GPUs are known from the result only."""
    result = record.result or {}
    busy = sum(span.seconds for span in spans)
    rows = []
    if "seconds" in result:
        rows.append(("time of the last start", duration(result["seconds"])))
    rows.append(("first run to last", duration(_length(spans))))
    slots = result.get("slots") or {}
    if slots:
        rows.append(("slots", f"{slots['count']}, busy {slots['busy_share']:.0%} of the time"))
    rows.append(("time of all runs together", f"{duration(busy)} in {len(spans)} runs"))
    if places := sorted({f"{span.host}, {span.device}" for span in spans if span.host}):
        rows.append(("hosts and devices", "; ".join(places)))
    for kind in ("CPU", "GPU"):
        if (share := slots.get(f"{kind.lower()}s")) is not None:
            hours = f"{busy / 3600 * share:.2f} ({share:g} per run)" if share else f"0, no run had a {kind}"
            rows.append((f"{kind} hours", hours))
    rows.append(("saved by pruning", _saved(record, spans)))
    return rows


def _saved(record: SweepRecord, spans: Sequence[RunSpan]) -> str:
    pruned = [span for span in spans if span.outcome == "pruned"]
    if not pruned:
        return "nothing, no trial was pruned"
    left = {span.key: record.spec.epochs - span.epochs for span in pruned}
    searched = [span for span in spans if span.study != "confirm"]
    possible = len(searched) * record.spec.epochs
    seconds = sum(span.seconds / max(1, span.epochs) * left[span.key] for span in pruned)
    share = sum(left.values()) / possible
    return (
        f"{sum(left.values())} of {possible} epochs of the search ({share:.0%}), about {duration(seconds)} of training"
    )


def _length(spans: Sequence[RunSpan]) -> float:
    return (max(span.ended for span in spans) - min(span.started for span in spans)).total_seconds()
