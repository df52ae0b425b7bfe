"""The report page as one HTML text: style, scripts, Plotly and all figures are inside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from typing import Any

from orchestrator.reporting.page.markup import paragraph, script_json, without_tags
from orchestrator.reporting.page.section import Chart, Section

_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"


@dataclass(frozen=True)
class PageHeading:
    """Title and state of a page.

    Attributes:
        title: title of the page, as plain text.
        state: line below it that says whether the sweep is running and as of when.
        refresh: seconds after which the page loads itself again; None for never.
    """

    title: str
    state: str
    refresh: int | None = None


def page_html(heading: PageHeading, sections: Sequence[Section]) -> str:
    """Return the page as HTML; it loads nothing from anywhere."""
    from plotly.offline import get_plotlyjs

    charts = [chart for section in sections for chart in section.charts]
    entries = "".join(f'<li><a href="#{escape(one.id)}">{escape(one.title)}</a></li>' for one in sections)
    refresh = f'<meta http-equiv="refresh" content="{heading.refresh}">' if heading.refresh else ""
    parts = [
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">{refresh}',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="color-scheme" content="light dark">',
        f"<title>{escape(heading.title)}</title><style>{_asset('page.css')}</style></head><body>",
        f'<header><h1>{escape(heading.title)}</h1><p class="state">{escape(heading.state)}</p></header>',
        f'<nav aria-label="Contents"><ul>{entries}</ul></nav><main>',
        *(_section(section) for section in sections),
        "</main>",
        f"<script>{get_plotlyjs()}</script>" if charts else "",
        f"<script>const CHARTS = {script_json([_figure(chart) for chart in charts])};\n{_asset('page.js')}</script>",
        "</body></html>\n",
    ]
    return "\n".join(parts)


def _section(section: Section) -> str:
    text = "".join(paragraph(sentence) for sentence in section.sentences)
    charts = "".join(_chart(chart) for chart in section.charts)
    return f'<section id="{escape(section.id)}"><h2>{escape(section.title)}</h2>{text}{charts}{section.html}</section>'


def _chart(chart: Chart) -> str:
    name = escape(chart.name)
    narrow = f'<p class="narrow-only">{escape(chart.wide_only)}</p>' if chart.wide_only else ""
    opening = '<figure class="wide-only">' if chart.wide_only else "<figure>"
    return (
        f'{opening}<h3>{escape(chart.title)}</h3><div class="plot" id="chart-{name}"></div>'
        f"<figcaption>{escape(chart.caption)}</figcaption></figure>{narrow}"
    )


def _figure(chart: Chart) -> dict[str, Any]:
    """Return data and layout of a chart without Plotly's template, which the page's own replaces."""
    import json

    content = json.loads(chart.figure.to_json())
    content["layout"].pop("template", None)
    content["layout"].pop("title", None)
    return {
        "id": f"chart-{chart.name}",
        "data": without_tags(content["data"]),
        "layout": without_tags(content["layout"]),
    }


def _asset(name: str) -> str:
    return files("orchestrator.reporting.page").joinpath(name).read_text(encoding="utf-8")
