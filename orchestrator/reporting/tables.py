"""The result as a table: for the terminal, for MLflow's description, for files."""

from __future__ import annotations

import csv
import math
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from orchestrator.reporting.summary import BASELINES, Confirmed, Figures, Summary
from orchestrator.reporting.terminal import duration
from orchestrator.workspace import Workspace

HEADER = (
    "",
    "val SRCC",
    "val PLCC",
    "test SRCC",
    "95 % interval",
    "test PLCC",
    "95 % interval",
    "fitted PLCC",
    "SRCC in generator",
    "SRCC in prompt",
)
"""Fitted: after a logistic curve fitted on validation. In generator, in prompt: mean SRCC inside each one's images."""


@dataclass(frozen=True)
class Row:
    """A line of the result table, as text."""

    group: str
    cells: tuple[str, ...]


def result_rows(summary: Summary) -> list[Row]:
    """The configurations, best first, then the controls, then the baselines."""
    rows = [row for line in summary.confirmed for row in _configuration_rows(line)]
    for baseline in summary.baselines:
        if baseline.test:
            rows.append(Row("baselines", (BASELINES[baseline.name], "", "", *_test_cells(baseline.test))))
    return rows


def print_result(console: Console, summary: Summary) -> None:
    """The table with its heading and what it says about the best configuration."""
    spec = summary.prepared.spec
    what = f"{spec.variant} on {summary.prepared.dataset.name}: {', '.join(summary.prepared.targets)}"
    marked = " — OPTIMISTIC: epochs and configurations were chosen on the test images" if summary.optimistic else ""
    table = Table(title=f"{what} ({protocol_line(summary)}){marked}", title_justify="left", box=None, pad_edge=False)
    for position, name in enumerate(HEADER):
        justify: Any = "left" if position == 0 else "right"
        # On two lines, so that the widest cell and not its heading decides a column's width.
        table.add_column("\n".join(name.rsplit(" ", 1)), justify=justify, no_wrap=position > 0)
    previous = ""
    for row in result_rows(summary):
        if previous and row.group != previous:
            table.add_section()
            table.add_row()
        # The only bold line is the configuration that won.
        table.add_row(*row.cells, style="bold" if not previous else "")
        previous = row.group
    console.print()
    console.print(table)
    console.print()
    for sentence in verdict(summary):
        console.print(sentence, highlight=False, soft_wrap=True)


def protocol_line(summary: Summary) -> str:
    """How the figures came about, in a few words."""
    spec = summary.prepared.spec
    if not spec.confirm:
        return f"protocol {spec.protocol}, split 0, not confirmed on test"
    return f"protocol {spec.protocol}, medians over {spec.splits} splits"


def summary_line(summary: Summary) -> str:
    """The headline in one sentence."""
    best = summary.best("search")
    if best is None:
        return "No trial came to anything."
    part, figures = ("test", best.test) if best.test else ("validation", best.validation)
    metrics = figures.metrics
    return f"Best: trial {best.trial.number}, {part} SRCC {metrics['srcc']:.4f}, PLCC {metrics['plcc']:.4f}."


def verdict(summary: Summary) -> list[str]:
    """What the paired comparisons say, one sentence each."""
    best = summary.best("search")
    if best is None:
        return ["No trial came to a finite score, so there is nothing to report: see the outcomes above."]
    sentences = []
    for comparison in summary.comparisons:
        name = "the control (plain_head)" if comparison.against == "control" else BASELINES[comparison.against]
        found = comparison.difference
        if not math.isfinite(found.estimate):
            continue
        of = f" of {comparison.target}" if len(summary.prepared.targets) > 1 else ""
        word = "is better than" if found.low > 0 else "is worse than" if found.high < 0 else "cannot be told apart from"
        sentences.append(
            f"Trial {best.trial.number} {word} {name}: test SRCC{of} {found.estimate:+.4f}, "
            f"paired 95 % interval [{found.low:+.4f}, {found.high:+.4f}]."
        )
    for baseline in summary.baselines:
        if baseline.test is None:
            sentences.append(f"No figure for the {BASELINES[baseline.name]}: {baseline.reason}.")
    return sentences


def markdown_table(summary: Summary) -> str:
    """The table in Markdown."""
    lines = [HEADER, ("---",) + ("---:",) * (len(HEADER) - 1), *(row.cells for row in result_rows(summary))]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def write_tables(summary: Summary, folder: Path) -> None:
    """`result.md` and `result.csv` in `folder`."""
    heading = f"# {summary.prepared.spec.name}\n\n{protocol_line(summary)}\n\n"
    text = heading + markdown_table(summary) + "\n\n" + "\n".join(f"- {s}" for s in verdict(summary)) + "\n"
    (folder / "result.md").write_text(text)
    with (folder / "result.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("what", *HEADER[1:]))
        writer.writerows(row.cells for row in result_rows(summary))


def _tool(name: str) -> str:
    """How to call a program of this environment: by its name where that finds it, else by its path."""
    beside = Path(sys.executable).parent / name
    found = shutil.which(name)
    return name if found and Path(found).parent == beside.parent else os.path.relpath(beside)


def _configuration_rows(line: Confirmed) -> list[Row]:
    """A row a configuration and, under it, one a target where there are several."""
    label = f"trial {line.trial.number}" if line.study == "search" else f"control {line.trial.number}"
    rows = [_figures_row(line.study, f"{line.variant}, {label}", line.validation, line.test)]
    for target, validation in line.validation.targets.items():
        test = line.test.targets[target] if line.test else None
        rows.append(_figures_row(line.study, f"  {target}", validation, test))
    return rows


def _figures_row(group: str, label: str, validation: Figures, test: Figures | None) -> Row:
    cells = (f"{validation.metrics['srcc']:.4f}", f"{validation.metrics['plcc']:.4f}")
    return Row(group, (label, *cells, *(_test_cells(test) if test else ("",) * (len(HEADER) - 3))))


def _test_cells(figures: Figures) -> tuple[str, ...]:
    def interval(metric: str) -> str:
        found = figures.intervals.get(metric)
        return f"[{found.low:.3f}, {found.high:.3f}]" if found else ""

    def number(metric: str, digits: int = 3) -> str:
        value = figures.metrics[metric]
        return f"{value:.{digits}f}" if math.isfinite(value) else "–"

    return (
        number("srcc", 4),
        interval("srcc"),
        number("plcc", 4),
        interval("plcc"),
        number("plcc_fitted", 4),
        number("srcc_within_generator"),
        number("srcc_within_prompt"),
    )


def print_pointers(console: Console, workspace: Workspace, result: dict[str, Any]) -> None:
    """Where everything is, the command that opens MLflow, and the one for the next step."""
    mlflow, slots = result["mlflow"], result["slots"]
    uri = mlflow["tracking_uri"]
    here = f"sqlite:///{Path.cwd() / 'mlflow.db'}"
    look = _tool("mlflow") + (" ui" if uri == here else f" ui --backend-store-uri {uri}")
    if uri.startswith("http"):
        look = f"{uri}/#/experiments/{mlflow['experiment_id']}"
    folder = os.path.relpath(workspace.root)
    score = f'{_tool("python")} -m orchestrator.score --model {result["name"]} --prompt "a red fox in snow" IMAGE…'
    lines = {
        "Took": f"{duration(result['seconds'])}; {slots['count']} slots, busy {slots['busy_share']:.0%} of the time",
        "Results": f"{folder}/result.json, tables and figures in {folder}/report/",
        "Look": f"{look}   (experiment “{mlflow['experiment']}”, run “{result['name']}”)",
        "Next": score,
    }
    console.print()
    for name, text in lines.items():
        console.print(f"[bold]{name:8}[/bold] {escape(text)}", highlight=False, soft_wrap=True)
