"""The README's picture has the columns and the wording of today's result; else `python docs/make_pictures.py SWEEP`."""

import html
import re
from collections import Counter
from pathlib import Path

from orchestrator.__main__ import COMMANDS
from orchestrator.reporting.columns import HEADER
from orchestrator.search.space import load_space

PICTURE = Path(__file__).parents[2] / "docs" / "images" / "terminal.svg"
STALE = "the picture is stale: run `make sweep`, then `python docs/make_pictures.py SWEEP`"


def shown_lines() -> list[str]:
    """Return the lines of text in the picture, from top to bottom."""
    rows: dict[float, str] = {}
    for attributes, text in re.findall(r"<text ([^>]*)>([^<]*)</text>", PICTURE.read_text(encoding="utf-8")):
        height = re.search(r'\by="([\d.]+)"', attributes)
        assert height is not None
        rows[float(height[1])] = f"{rows.get(float(height[1]), '')} {html.unescape(text)}".replace("\xa0", " ").strip()
    return [rows[height] for height in sorted(rows)]


def test_picture_has_todays_columns():
    lines = shown_lines()
    title = next(number for number, line in enumerate(lines) if "text_hyper on shapes" in line)
    first = next(number for number, line in enumerate(lines) if line.startswith("text_hyper, trial"))
    shown = Counter(" ".join(lines[title + 1 : first]).split())
    assert shown == Counter(" ".join(HEADER).split()), STALE


def test_picture_shows_the_winning_parameters():
    lines = shown_lines()
    first = next((number for number, line in enumerate(lines) if line.startswith("parameter ")), None)
    assert first is not None, STALE
    shown = [line.split()[0] for line in lines[first + 1 :] if line][: len(load_space("text_hyper").parameters())]
    assert sorted(shown) == sorted(load_space("text_hyper").parameters()), STALE


def test_picture_names_commands_that_exist():
    commands = {name for names in COMMANDS.values() for name in names}
    shown = re.findall(r"orchestrator\.(\w+)", " ".join(shown_lines()))
    assert shown and set(shown) <= commands, STALE
