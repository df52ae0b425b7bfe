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
    """Return name and value of each figure of the cost."""
    result, spec = record.result or {}, record.spec
    busy = sum(_seconds(span) for span in spans)
    rows = []
    if "seconds" in result:
        rows.append(("time of the last start", duration(result["seconds"])))
    rows.append(("first run to last", duration(_length(spans))))
    if slots := result.get("slots"):
        rows.append(("slots", f"{slots['count']}, busy {slots['busy_share']:.0%} of the time"))
    rows.append(("time of all runs together", f"{duration(busy)} in {len(spans)} runs"))
    if places := sorted({f"{span.host}, {span.device}" for span in spans if span.host}):
        rows.append(("hosts and devices", "; ".join(places)))
    cpus, gpus = spec.cpus_per_trial or 1.0, spec.gpus
    rows.append(("CPU hours", f"{busy / 3600 * cpus:.2f} ({cpus:g} per run)"))
    rows.append(("GPU hours", f"{busy / 3600 * gpus:.2f} ({gpus:g} per run)" if gpus else "0, no run had a GPU"))
    rows.append(("saved by pruning", _saved(record, spans)))
    return rows


def _saved(record: SweepRecord, spans: Sequence[RunSpan]) -> str:
    pruned = [span for span in spans if span.outcome == "pruned"]
    if not pruned:
        return "nothing, no trial was pruned"
    left = {span.key: record.spec.epochs - span.epochs for span in pruned}
    searched = [span for span in spans if span.study != "confirm"]
    possible = len(searched) * record.spec.epochs
    seconds = sum(_seconds(span) / max(1, span.epochs) * left[span.key] for span in pruned)
    share = sum(left.values()) / possible
    return (
        f"{sum(left.values())} of {possible} epochs of the search ({share:.0%}), about {duration(seconds)} of training"
    )


def _seconds(span: RunSpan) -> float:
    return (span.ended - span.started).total_seconds()


def _length(spans: Sequence[RunSpan]) -> float:
    return (max(span.ended for span in spans) - min(span.started for span in spans)).total_seconds()
