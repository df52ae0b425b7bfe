"""Lines of sentences and commands on narrow terminals."""

import io
import shlex

import pytest
from rich.console import Console

from orchestrator.reporting.wrapped_text import print_text, wrap_command, wrap_text

SENTENCE = "Trial 1 is better than mean score: test SRCC +0.0045, paired 95 % interval [-0.0129, +0.0228]."
COMMAND = "python -m orchestrator.score --model first --prompt 'a red fox' --out scores.csv fox.png"


@pytest.mark.parametrize("width", range(34, 100))
def test_no_line_is_broken_inside_a_figure(width):
    lines = wrap_text(SENTENCE, width)
    assert " ".join(lines) == SENTENCE and all(len(line) <= width for line in lines)
    assert any("95 % interval [-0.0129, +0.0228]" in line for line in lines)
    assert any("SRCC +0.0045" in line for line in lines)


@pytest.mark.parametrize("width", range(34, 100))
def test_a_wrapped_command_can_be_pasted(width):
    lines = wrap_command(COMMAND, width)
    assert shlex.split("\n".join(lines).replace("\\\n", " ")) == shlex.split(COMMAND)
    assert any("--prompt 'a red fox'" in line for line in lines) and all(len(line) <= width for line in lines)


def test_wide_characters_take_two_cells():
    assert wrap_text("狐狸 在 雪", 7) == ["狐狸 在", "雪"]


def test_output_without_a_terminal_is_one_line():
    console = Console(file=io.StringIO(), width=40)
    print_text(console, SENTENCE, first="Look     ")
    assert console.file.getvalue() == f"Look     {SENTENCE}\n"
