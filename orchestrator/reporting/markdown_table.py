"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]], right: bool = False) -> str:
    """Return a table in Markdown.

    Args:
        header: headings of the columns.
        rows: cells under them.
        right: whether all columns but the first are aligned to the right.

    Example:
        >>> print(markdown_table(("", "SRCC"), [("ridge", "0.71")], right=True))
        |  | SRCC |
        | --- | ---: |
        | ridge | 0.71 |
    """
    rule = ["---", *["---:" if right else "---"] * (len(header) - 1)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (header, rule, *rows))
