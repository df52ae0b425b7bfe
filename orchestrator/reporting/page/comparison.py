"""Section with the figures on test: marginal intervals of every model, and the paired differences that decide."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from orchestrator.reporting.columns import HEADER
from orchestrator.reporting.page.comparison_rows import ForestRow, marginal_rows, paired_rows
from orchestrator.reporting.page.conclusion import NOT_CONFIRMED
from orchestrator.reporting.page.forest_plot import draw_forest, forest_plot
from orchestrator.reporting.page.markup import table
from orchestrator.reporting.page.section import Chart, Section
from orchestrator.reporting.result_rows import result_rows
from orchestrator.reporting.sweep_record import SweepRecord

PAIRED_DECIDES = (
    "The paired differences decide. All models score the same test images, so a prompt that is hard for one is often "
    "hard for all, and that part of a model's own interval cancels in the difference. Models whose intervals overlap "
    "may still differ; only the paired interval shows it."
)


def comparison(record: SweepRecord) -> Section | None:
    """Return the section on test, or on validation if nothing was confirmed; None in an unfinished sweep."""
    result = record.result
    if result is None or not result["best"]:
        return None
    if not result["best"]["test"]:
        groups = _groups(result, "val")
        caption = "Validation SRCC of the best epoch in the search, which chose the epoch and the configuration."
        charts = [_chart("comparison", "Validation figures", caption, groups, "validation SRCC")] if groups else []
        return Section("test", "Test figures", (NOT_CONFIRMED,), tuple(charts))
    marked = " (optimistic)" if result.get("optimistic") else ""
    medians = f"median over {record.spec.splits} splits" if record.spec.splits > 1 else "one split"
    caption = f"{medians.capitalize()}, with the 95 % interval over prompts. Models without a figure are not shown."
    charts = [_chart("comparison", "Test SRCC", caption, _groups(result, "test"), f"test SRCC{marked}")]
    if differences := _nonempty({target: paired_rows(result, target) for target in result["targets"]}):
        caption = (
            "Paired difference and its 95 % interval. A full point is a difference whose interval excludes 0; right of "
            "the line the best configuration is better, left of it the other model is."
        )
        title = f"Trial {result['best']['trial']} minus each other model"
        axis = f"difference in test SRCC{marked}"
        charts.append(_chart("differences", title, caption, differences, axis, differences=True))
    if result.get("cross") and (elsewhere := _groups(result, "cross")):
        title = f"The same on {result['cross']['dataset']}"
        caption = "A second data set: nothing was trained or chosen on it. The intervals are those of each model alone."
        charts.append(_chart("second-data-set", title, caption, elsewhere, "SRCC"))
    return Section(
        "test", "Test figures", (PAIRED_DECIDES,), tuple(charts), _paired_table(result) + _figures_table(result)
    )


def _groups(result: Mapping[str, Any], part: str) -> dict[str, list[ForestRow]]:
    return _nonempty({target: marginal_rows(result, target, part) for target in result["targets"]})


def _nonempty(groups: dict[str, list[ForestRow]]) -> dict[str, list[ForestRow]]:
    return {target: rows for target, rows in groups.items() if rows}


def _chart(
    name: str, title: str, caption: str, groups: dict[str, list[ForestRow]], axis: str, differences: bool = False
) -> Chart:
    figure = forest_plot(groups, axis, differences)
    return Chart(name, title, caption, figure, partial(draw_forest, groups=groups, axis=axis, differences=differences))


def _paired_table(result: Mapping[str, Any]) -> str:
    """Return the paired differences as a table, for those who copy figures."""
    several = len(result["targets"]) > 1
    rows = [
        (
            f"{row.label}{f', {target}' if several else ''}",
            f"{row.estimate:+.4f}",
            f"[{row.low:+.4f},\N{NO-BREAK SPACE}{row.high:+.4f}]"
            if row.low is not None and row.high is not None
            else "–",
            "yes" if row.conclusive else "no",
        )
        for target in result["targets"]
        for row in paired_rows(result, target)
    ]
    header = ("best configuration", "difference in test SRCC", "paired 95 % interval", "excludes 0")
    return table(header, rows) if rows else ""


def _figures_table(result: Mapping[str, Any]) -> str:
    """Return the result table of the terminal, with all its columns."""
    rows = [
        (row.label, *(cell.replace(" ", "\N{NO-BREAK SPACE}") for cell in row.cells)) for row in result_rows(result)
    ]
    return table(("", *HEADER), rows, "All figures")
