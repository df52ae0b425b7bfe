"""Write the report page of a sweep and its charts as PNG files; each file is replaced whole."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime
from io import BytesIO
from pathlib import Path

from orchestrator.core.atomic_files import write_file
from orchestrator.reporting.page.build_sections import build_sections
from orchestrator.reporting.page.page_html import PageHeading, page_html
from orchestrator.reporting.page.section import Chart, Section
from orchestrator.reporting.sweep_record import SweepRecord

logger = logging.getLogger(__name__)

DPI = 150
"""Resolution of the pictures, in dots an inch."""

REFRESH_SECONDS = 15
"""Seconds after which the page of a running sweep loads itself again."""


def write_page(record: SweepRecord, running: bool = False, to: Path | None = None) -> list[Section]:
    """Write the page of a sweep, if `to` is None as its own, and return the page's sections."""
    page, sections = render_page(record, running)
    write_file(to or record.workspace.report_page, page)
    return sections


def render_page(record: SweepRecord, running: bool = False) -> tuple[str, list[Section]]:
    """Return the page of a sweep as HTML, and its sections.

    Args:
        record: the sweep.
        running: the sweep runs now, so that the page loads itself again.
    """
    sections = build_sections(record)
    refresh = REFRESH_SECONDS if running else None
    return page_html(PageHeading(record.spec.name, describe_state(record, running), refresh), sections), sections


def describe_state(record: SweepRecord, running: bool) -> str:
    """Return in a line whether a sweep is running, and the time as of which the page shows it."""
    state = "running" if running else "finished" if record.result else "not finished, and not running"
    now = datetime.now().astimezone()
    return f"{state[0].upper()}{state[1:]}, as of {now:%H:%M:%S} on {now:%Y-%m-%d}."


def write_pictures(sections: Iterable[Section], folder: Path) -> None:
    """Write each chart that can be drawn as `NAME.png`; log the reason for one that fails."""
    for section in sections:
        for chart in section.charts:
            if chart.draw is not None:
                try:
                    write_file(folder / f"{chart.name}.png", _png(chart))
                except Exception:  # any: the other charts are worth drawing
                    logger.exception("the picture of the chart %s failed", chart.name)


def _png(chart: Chart) -> bytes:
    import matplotlib
    import numpy as np
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from PIL import Image

    assert chart.draw is not None
    content = BytesIO()
    with matplotlib.rc_context({"axes.spines.top": False, "axes.spines.right": False, "font.size": 9}):
        figure = Figure(figsize=(7, 4), dpi=DPI, layout="constrained")
        chart.draw(figure)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()  # once, while `savefig` draws a second time to find the layout
        Image.fromarray(np.asarray(canvas.buffer_rgba())).save(content, "PNG", dpi=(DPI, DPI))
    return content.getvalue()
