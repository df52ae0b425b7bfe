"""Page that compares several sweeps: results side by side, history of all, best curves, parameters."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from orchestrator.reporting.page.best_so_far import best_so_far
from orchestrator.reporting.page.markup import escape_label, table
from orchestrator.reporting.page.page_html import PageHeading, page_html
from orchestrator.reporting.page.palette import CATEGORIES, SYMBOLS
from orchestrator.reporting.page.section import Chart, Section
from orchestrator.reporting.sweep_record import SweepRecord
from orchestrator.reporting.winning_parameters import DIFFERS, parameter_rows
from orchestrator.search.outcome import Outcome


def comparison_page(records: Sequence[SweepRecord]) -> str:
    """Return the page that compares sweeps, as HTML."""
    now = datetime.now().astimezone()
    heading = PageHeading(
        " · ".join(record.spec.name for record in records), f"As of {now:%H:%M:%S} on {now:%Y-%m-%d}."
    )
    return page_html(heading, several_sweeps(records))


def several_sweeps(records: Sequence[SweepRecord]) -> list[Section]:
    """Return the sections that compare sweeps."""
    return [build(records) for build in (_results, _history, _curves, _parameters)]


def differences(records: Sequence[SweepRecord]) -> list[str]:
    """Return a sentence for each reason why the test figures of these sweeps cannot be compared."""
    found = []
    for what, read in _COMPARED.items():
        values = [read(record) for record in records]
        if len({json.dumps(value, sort_keys=True) for value in values}) > 1:
            pairs = zip(records, values, strict=True)
            shown = ", ".join(f"{one.spec.name} {_short(value)}" for one, value in pairs)
            found.append(f"The sweeps differ in {what}: {shown}.")
    return found


def _identity(key: str) -> Callable[[SweepRecord], Any]:
    def read(record: SweepRecord) -> Any:
        try:
            return json.loads(record.workspace.identity.read_text(encoding="utf-8")).get(key)
        except (OSError, ValueError):
            return None

    return read


_COMPARED: dict[str, Callable[[SweepRecord], Any]] = {
    "data": _identity("data"),
    "splits": _identity("splits"),
    "protocol": lambda record: record.spec.protocol,
    "targets": lambda record: list((record.result or {}).get("targets", record.spec.targets)),
}


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 24 else f"{text[:12]}…"


def _results(records: Sequence[SweepRecord]) -> Section:
    header = ("", *(record.spec.name for record in records))
    columns = [_result_cells(record) for record in records]
    rows = [(name, *(column[name] for column in columns)) for name in columns[0]]
    reasons = differences(records)
    verdict = (
        ("Their test figures are not comparable.", *reasons)
        if reasons
        else ("All read the same data, splits and protocol, so that their test figures are comparable.",)
    )
    note = "SRCC is the rank correlation with the people's scores; an interval is of 95 % over the prompts."
    return Section("results", "Results", (*verdict, note), (), table(header, rows))


def _result_cells(record: SweepRecord) -> dict[str, str]:
    result, spec = record.result or {}, record.spec
    best, control = result.get("best") or {}, result.get("control") or {}
    ridge = (result.get("baselines") or {}).get("ridge") or {}
    trials = record.studies.get("search", [])
    leader = record.best("search")
    test = best.get("test") or {}
    return {
        "state": "finished" if record.result else "not finished",
        "variant": spec.variant,
        "data set": spec.dataset,
        "protocol": spec.protocol,
        "trials": f"{sum(trial.outcome is not None for trial in trials)} of {spec.trials}",
        "best trial": str(leader.number) if leader else "–",
        "validation SRCC in the search": _number(leader.objective if leader else None),
        "test SRCC": _number(test.get("srcc")),
        "its interval": " to ".join(_number(bound) for bound in test.get("interval") or (None,)),
        "test PLCC": _number(test.get("plcc")),
        "control, test SRCC": _number((control.get("test") or {}).get("srcc")),
        "ridge, test SRCC": _number(ridge.get("srcc")),
    }


def _number(value: Any) -> str:
    return "–" if value is None else f"{value:.4f}"


def _history(records: Sequence[SweepRecord]) -> Section:
    def line(record: SweepRecord) -> tuple[list[int], list[float]]:
        best = best_so_far(record.studies.get("search", []))
        return [number for number, _ in best], [value for _, value in best]

    caption = "Validation SRCC of the variant's best complete trial so far."
    return _chart_section("history", "History", caption, "trial", records, line, step=True)


def _curves(records: Sequence[SweepRecord]) -> Section:
    def line(record: SweepRecord) -> tuple[list[int], list[float]]:
        trial = record.best("search")
        epochs = sorted(trial.epochs.items()) if trial else []
        return [epoch for epoch, _ in epochs], [value for _, value in epochs]

    caption = "Validation SRCC after each epoch of the variant's best trial."
    return _chart_section("curves", "Curves of the best trials", caption, "epoch", records, line)


def _chart_section(
    name: str,
    title: str,
    caption: str,
    unit: str,
    records: Sequence[SweepRecord],
    line: Callable[[SweepRecord], tuple[list[int], list[float]]],
    step: bool = False,
) -> Section:
    from plotly.graph_objects import Figure, Scatter

    figure = Figure()
    for index, record in enumerate(records):
        x, y = line(record)
        if x:
            colour = CATEGORIES[index % len(CATEGORIES)]
            figure.add_trace(
                Scatter(
                    x=x,
                    y=y,
                    mode="lines+markers",
                    name=escape_label(record.spec.name),
                    line={"color": colour, "shape": "hv" if step else "linear"},
                    marker={"color": colour, "symbol": SYMBOLS[index % len(SYMBOLS)], "size": 6},
                    hovertemplate=f"{unit} %{{x}}: %{{y:.4f}}",
                )
            )
    if not figure.data:
        return Section(name, title, ("No sweep has a complete trial yet.",))
    figure.update_layout(xaxis_title=unit, yaxis_title="validation SRCC", height=420, showlegend=True)
    return Section(name, title, (), (Chart(name, title, caption, figure),))


def _parameters(records: Sequence[SweepRecord]) -> Section:
    chosen = [record.parameters("search", best) if (best := record.best("search")) else [] for record in records]
    rows = [cells[:-1] for cells in parameter_rows(chosen, missing="–")]  # without defaults, which may differ
    complete = [sum(t.outcome is Outcome.COMPLETE for t in record.studies.get("search", [])) for record in records]
    head = [("complete trials", *map(str, complete))]
    header = ("parameter", *(record.spec.name for record in records))
    sentence = (
        f"Parameters of the variant's best trial of each sweep; {DIFFERS} marks a value that is not its default, a "
        "dash a parameter that it does not have."
    )
    return Section("parameters", "Parameters", (sentence,), (), table(header, [*head, *rows]))
