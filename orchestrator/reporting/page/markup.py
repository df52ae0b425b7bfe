"""Markup of the report page; every text that comes from data, prompts or file names is escaped here."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from html import escape
from textwrap import wrap
from typing import Any

LABEL_WIDTH = 18
"""Characters of a line of a label, so that a plot keeps its room on a narrow screen."""

_FORMATTING = re.compile(r"<(?!/?(?:br|b|i|sub|sup|extra)>)")
"""A less-than sign that begins none of the tags that Plotly's hover texts are formatted with."""


def escape_label(text: Any) -> str:
    """Return a text of the data as a label or hover text of a Plotly figure, which reads some HTML.

    Example:
        >>> escape_label("a <b>red</b> fox & co")
        'a &lt;b&gt;red&lt;/b&gt; fox &amp; co'
    """
    return escape(str(text), quote=False)


def wrapped_label(text: str, most: int | None = None, width: int = LABEL_WIDTH) -> str:
    """Return a text of the data as a label in lines of at most `width` characters, of which `most` are kept.

    Example:
        >>> wrapped_label("Stable Diffusion & its refiner", most=2)
        'Stable Diffusion &amp;<br>its refiner'
    """
    return "<br>".join(map(escape_label, wrap(text, width)[:most]))


def script_json(value: Any) -> str:
    """Return a value as JSON that cannot end the script that contains it.

    Example:
        >>> script_json({"prompt": "</script>"})
        '{"prompt":"\\\\u003c/script>"}'
    """
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def without_tags(value: Any) -> Any:
    """Return the content of a figure in which every tag that is not plain formatting is text."""
    if isinstance(value, str):
        return _FORMATTING.sub("&lt;", value)
    if isinstance(value, dict):
        return {key: without_tags(inner) for key, inner in value.items()}
    return [without_tags(inner) for inner in value] if isinstance(value, list) else value


def paragraph(text: str) -> str:
    """Return a paragraph of plain text."""
    return f"<p>{escape(text)}</p>"


def table(header: Sequence[str], rows: Iterable[Sequence[Any]], caption: str = "") -> str:
    """Return a table of plain texts, whose first column names the row; it scrolls by itself on a narrow screen."""
    heading = "".join(f'<th scope="col">{escape(name)}</th>' for name in header)
    lines = "".join(
        f'<tr><th scope="row">{escape(str(first))}</th>'
        + "".join(f"<td>{escape(str(cell))}</td>" for cell in rest)
        + "</tr>"
        for first, *rest in rows
    )
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f'<div class="scroll"><table>{title}<thead><tr>{heading}</tr></thead><tbody>{lines}</tbody></table></div>'
