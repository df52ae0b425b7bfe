"""Section with the conclusion: the best configuration and its paired comparisons, in the terminal's sentences."""

from __future__ import annotations

from orchestrator.execution.job import Study
from orchestrator.reporting.page.section import Section
from orchestrator.reporting.result_sentences import conclusions, summary_line
from orchestrator.reporting.sweep_record import SweepRecord

OPTIMISTIC = "Optimistic: epochs and configurations were chosen on the test images."
NOT_CONFIRMED = "Not confirmed: no configuration was scored on the test images, so nothing is known but validation."


def conclusion(record: SweepRecord) -> Section:
    """Return the section with the result in words; an unfinished sweep has its best validation figures so far."""
    result = record.result
    if result is None:
        sentences = ["The sweep is not finished, so nothing was concluded yet.", *_best_so_far(record)]
    else:
        confirmed = bool(result["best"] and result["best"]["test"])
        sentences = [summary_line(result), *([] if confirmed or not result["best"] else [NOT_CONFIRMED])]
        sentences += [OPTIMISTIC] if result.get("optimistic") else []
        sentences += conclusions(result)
    return Section("conclusion", "Conclusion", tuple(sentences))


def _best_so_far(record: SweepRecord) -> list[str]:
    names: dict[Study, str] = {"search": "trial", "control": "control"}
    return [
        f"Best so far: {name} {best.number}, validation SRCC {best.objective:.4f}."
        for study, name in names.items()
        if (best := record.best(study))
    ]
