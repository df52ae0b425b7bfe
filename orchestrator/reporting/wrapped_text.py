"""Text that a terminal shows in lines broken between words, never inside a figure, an interval or a quotation."""

from __future__ import annotations

import re

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

_UNIT = re.compile(r"\[[^\[\]]*\]|\d+ %|\d+ (?:h|min|s)\b|“[^”]*”|\"[^\"]*\"|'[^']*'")
_JOINED = "\x00"


def wrap_text(text: str, width: int, indent: str = "") -> list[str]:
    """Return the lines of a text; a word that is wider than a line has a line of its own.

    Args:
        text: its spaces inside brackets and quotation marks, and before a unit, break no line.
        width: cells of a line.
        indent: beginning of every line but the first.

    Example:
        >>> wrap_text("SRCC +0.01, 95 % interval [-0.010, +0.030].", 28, "  ")
        ['SRCC +0.01, 95 % interval', '  [-0.010, +0.030].']
    """
    joined = _UNIT.sub(lambda unit: unit[0].replace(" ", _JOINED), text)
    lead = joined[: len(joined) - len(joined.lstrip())]
    lines: list[str] = []
    for word in joined.split():
        if lines and cell_len(lines[-1]) + 1 + cell_len(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(f"{indent if lines else lead}{word}")
    return [line.replace(_JOINED, " ") for line in lines] or [""]


def wrap_command(command: str, width: int, indent: str = "    ") -> list[str]:
    """Return the lines of a shell command, each but the last with a backslash, so that they can be pasted.

    Example:
        >>> print("\\n".join(wrap_command("score --model first --prompt 'a red fox' fox.png", 24, "  ")))
        score --model first \\
          --prompt 'a red fox' \\
          fox.png
    """
    lines = wrap_text(command, width - 2, indent)
    return [f"{line} \\" for line in lines[:-1]] + lines[-1:]


def print_text(console: Console, text: str, style: str = "", first: str = "") -> None:
    """Print a text in lines of the terminal's width; as one line if the output is not a terminal.

    Args:
        console: output.
        text: without markup.
        style: of the text.
        first: bold beginning of the first line; the other lines are indented by its width.
    """
    _print_lines(console, _lines(console, text, cell_len(first)), style, first)


def print_heading(console: Console, text: str) -> None:
    """Print a table's heading in lines of the output's width."""
    _print_lines(console, wrap_text(text, console.width), "italic", "")


def print_command(console: Console, command: str, first: str = "") -> None:
    """Print a shell command, continued by backslashes at the terminal's width; as one line without a terminal."""
    width = console.width - cell_len(first)
    _print_lines(console, wrap_command(command, width, "  ") if console.is_terminal else [command], "", first)


def _lines(console: Console, text: str, used: int) -> list[str]:
    return wrap_text(text, console.width - used) if console.is_terminal else [text]


def _print_lines(console: Console, lines: list[str], style: str, first: str) -> None:
    for number, line in enumerate(lines):
        begin = first if number == 0 else " " * cell_len(first)
        console.print(Text.assemble((begin, "bold"), (line, style)), highlight=False, soft_wrap=True)
