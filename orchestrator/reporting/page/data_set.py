"""Section on the data set: its parts, its generators, its scores, and what was excluded."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from orchestrator.core.errors import InputError
from orchestrator.reporting.page.draw_figure import draw_like
from orchestrator.reporting.page.example_images import BRING_BACK
from orchestrator.reporting.page.markup import table, wrapped_label
from orchestrator.reporting.page.palette import VARIANT
from orchestrator.reporting.page.section import Chart, Section
from orchestrator.reporting.page.step_histogram import step_histogram
from orchestrator.reporting.page.sweep_images import PARTS, SweepImages, first_split, sweep_images
from orchestrator.reporting.sweep_record import SweepRecord

if TYPE_CHECKING:
    from matplotlib.figure import Figure as MatplotlibFigure
    from plotly.graph_objects import Figure as PlotlyFigure

MOST_GENERATORS = 20
MOST_SCORES = 6


def data_set(record: SweepRecord) -> Section | None:
    """Return the section on the data; None before the sweep has divided its data set."""
    if not record.workspace.split(0).is_file():
        return None
    try:
        images = sweep_images(record)
    except InputError as error:
        return _without_data_set(record, error)
    learned = tuple((record.result or {}).get("targets") or record.spec.targets)
    shown = [target for target in learned or images.targets if target in images.targets][:MOST_SCORES]
    sentences = [_split_sentence(record), *_remarks(images), *_cross_sentences(record.result)]
    charts = _charts(images, tuple(shown))
    return Section("data", "Data", tuple(sentences), charts, _parts_table(images) + _excluded_table(images))


def _without_data_set(record: SweepRecord, error: InputError) -> Section:
    sentences = (f"The data set cannot be read, so only its parts are shown: {error} {BRING_BACK}",)
    try:
        parts = first_split(record.workspace.split(0))
    except InputError as unreadable:
        return Section("data", "Data", (*sentences, str(unreadable)))
    rows = [(part, len(names)) for part, names in parts.items()]
    return Section("data", "Data", sentences, html=table(("part of split 0", "images"), rows))


def _split_sentence(record: SweepRecord) -> str:
    spec = record.spec
    text = f"{spec.dataset}, divided by the protocol {spec.protocol}. The search trains and validates on split 0."
    if not spec.confirm:
        return text
    splits = f"splits 1 to {spec.splits}" if spec.splits > 1 else "split 1"
    test = "with the same test images" if spec.protocol == "disjoint" else "with other test images"
    return f"{text} Confirm runs use {splits}, {test}."


def _remarks(images: SweepImages) -> list[str]:
    missing = f"{images.missing} images of the split are not in the data set any more." if images.missing else None
    same = (
        "Validation and test are the same images."
        if set(images.parts["validation"]) == set(images.parts["test"])
        else None
    )
    return [*filter(None, (same, missing)), *images.notes]


def _cross_sentences(result: Any) -> list[str]:
    if not result or not (cross := result.get("cross")):
        return []
    excluded = ", ".join(f"{count} for “{why}”" for why, count in cross["left_out"].items() if count)
    return [
        f"A second data set, {cross['dataset']}, was scored as well: {cross['images']} images of {cross['prompts']} "
        f"prompts for {' and '.join(cross['targets'])}{f'; excluded are {excluded}' if excluded else ''}."
    ]


def _parts_table(images: SweepImages) -> str:
    rows = []
    for name in PARTS:
        part = images.part(name)
        prompts = part["prompt"].nunique() if (part["prompt"].str.strip() != "").any() else "–"
        rows.append((name, len(images.parts[name]), prompts, part["generator"].nunique()))
    return table(("part of split 0", "images", "prompts", "generators"), rows)


def _excluded_table(images: SweepImages) -> str:
    rows = list(images.excluded.items())
    return table(("reason", "images"), rows, "Excluded images") if rows else ""


@lru_cache(maxsize=8)
def _charts(images: SweepImages, targets: tuple[str, ...]) -> tuple[Chart, ...]:
    """Return the charts; they are kept, since the data do not change while the sweep runs."""
    charts = []
    for number, target in enumerate(targets, 1):
        scores = {part: values for part in PARTS if len(values := _finite(images, part, target))}
        if scores:
            title, caption = f"Distribution of {target}", "Share of each part's images by their score, in 20 steps."
            figure = step_histogram(scores, target)
            charts.append(Chart(f"scores-{number}", title, caption, figure, draw_like(figure)))
    counts = images.table["generator"].value_counts()
    if len(counts) > 1:
        left = f" The {len(counts) - MOST_GENERATORS} rarest are not shown." if len(counts) > MOST_GENERATORS else ""
        bars = {str(name): int(count) for name, count in counts.iloc[:MOST_GENERATORS].items()}
        caption = f"Number of images of each generator in all parts.{left}"
        charts.append(Chart("generators", "Generators", caption, _bars(bars), partial(_draw_bars, bars=bars)))
    return tuple(charts)


def _finite(images: SweepImages, part: str, target: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    values = images.part(part)[target].to_numpy("float64")
    return values[np.isfinite(values)]


def _bars(bars: dict[str, int]) -> PlotlyFigure:
    from plotly.graph_objects import Bar, Figure

    positions = list(range(len(bars)))
    counts = list(bars.values())
    figure = Figure(
        Bar(x=counts, y=positions, orientation="h", text=counts, marker={"color": VARIANT}, hoverinfo="skip")
    )
    labels = [wrapped_label(name, 2) for name in bars]
    figure.update_xaxes(title_text="images", rangemode="tozero")
    figure.update_yaxes(tickvals=positions, ticktext=labels, autorange="reversed", showgrid=False)
    figure.update_layout(height=110 + 30 * len(bars))
    return figure


def _draw_bars(figure: MatplotlibFigure, bars: dict[str, int]) -> None:
    figure.set_size_inches(6, 0.28 * len(bars) + 0.8)
    axis = figure.subplots()
    axis.bar_label(axis.barh(range(len(bars)), list(bars.values()), color=VARIANT), fontsize=7, padding=2)
    axis.set_yticks(range(len(bars)), list(bars))
    axis.invert_yaxis()
    axis.set(xlabel="images")
