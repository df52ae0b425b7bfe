"""A section of the report page: sentences, charts, and markup for tables and images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure as MatplotlibFigure
    from plotly.graph_objects import Figure as PlotlyFigure


@dataclass(frozen=True)
class Chart:
    """A chart of the page.

    Attributes:
        name: name of its PNG file without suffix; unique on the page.
        title: heading above it, as plain text.
        caption: sentence below it, as plain text; says what is not shown, if anything.
        figure: Plotly figure; its colours of text, grid and background are set by the page.
        draw: draws the same with Matplotlib on an empty figure, which `report/NAME.png` is made of; None for no PNG.
        wide_only: sentence that replaces the chart on a narrow screen; None if it can be read there.
    """

    name: str
    title: str
    caption: str
    figure: PlotlyFigure
    draw: Callable[[MatplotlibFigure], None] | None = None
    wide_only: str | None = None


@dataclass(frozen=True)
class Section:
    """A section of the page.

    Attributes:
        id: id of its element, unique on the page.
        title: its heading, as plain text.
        sentences: paragraphs, as plain text.
        charts: its charts.
        html: markup after the charts, for tables and images; every text in it must be escaped already.
    """

    id: str
    title: str
    sentences: tuple[str, ...] = ()
    charts: tuple[Chart, ...] = ()
    html: str = ""
