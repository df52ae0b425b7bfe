"""Result tables for the terminal, for MLflow's description and for files."""

from __future__ import annotations

import csv
import math
import os
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from orchestrator.core.sqlite_url import sqlite_url
from orchestrator.core.sweep_folder import Workspace
from orchestrator.execution.cross_test_set import article
from orchestrator.reporting.aggregate import Figures
from orchestrator.reporting.baseline_names import BASELINES
from orchestrator.reporting.columns import CROSS_HEADER, HEADER, cross_cells, result_cells
from orchestrator.reporting.live_view import duration
from orchestrator.reporting.summary import ConfirmedConfiguration, Summary


@dataclass(frozen=True)
class Row:
    """A row of the result table, as text.

    Attributes:
        group: "search", "control" or "baselines".
        label: first cell.
        cells: cells under `HEADER`.
        cross: cells under `CROSS_HEADER`, in the table of a second data set.
    """

    group: str
    label: str
    cells: tuple[str, ...]
    cross: tuple[str, ...]

    @classmethod
    def of(cls, group: str, label: str, validation: Figures | None, test: Figures | None, cross: Figures | None) -> Row:
        """Return the row of these figures; each may be missing."""
        return cls(group, label, result_cells(validation, test), cross_cells(cross))


def result_rows(summary: Summary) -> list[Row]:
    """Return the rows: configurations, best first, then controls, then baselines."""
    rows = [row for line in summary.confirmed for row in _configuration_rows(line)]
    for baseline in summary.baselines:
        if baseline.test:
            rows.append(Row.of("baselines", BASELINES[baseline.name], None, baseline.test, baseline.cross))
    return rows


def cross_rows(summary: Summary) -> list[Row]:
    """Return the rows that have figures on a second data set; none without such a data set."""
    return [row for row in result_rows(summary) if any(row.cross)]


def print_result(console: Console, summary: Summary) -> None:
    """Print the table with its heading, and the comparisons of the best configuration."""
    spec = summary.prepared.spec
    title = f"{spec.variant} on {summary.prepared.dataset.name}: {', '.join(summary.prepared.targets)}"
    marked = " — OPTIMISTIC: epochs and configurations were chosen on the test images" if summary.optimistic else ""
    console.print()
    console.print(_table(f"{title} ({protocol_line(summary)}){marked}", HEADER, result_rows(summary)))
    console.print()
    if rows := cross_rows(summary):
        console.print(_table(cross_line(summary), CROSS_HEADER, rows, cross=True))
        console.print()
    for sentence in conclusions(summary):
        console.print(sentence, highlight=False, soft_wrap=True)


def _table(title: str, header: tuple[str, ...], rows: list[Row], cross: bool = False) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column("")
    for name in header:
        # A heading has two lines, so that the widest cell decides the column's width.
        table.add_column("\n".join(name.rsplit(" ", 1)), justify="right", no_wrap=True)
    previous = ""
    for row in rows:
        if previous and row.group != previous:
            table.add_section()
            table.add_row()
        # The best configuration is the only bold row.
        table.add_row(
            row.label,
            *(row.cross if cross else row.cells),
            style="bold" if not previous and row.group == "search" else "",
        )
        previous = row.group
    return table


def protocol_line(summary: Summary) -> str:
    """Return the protocol and the number of splits in a few words."""
    spec = summary.prepared.spec
    if not spec.confirm:
        return f"protocol {spec.protocol}, split 0, not confirmed on test"
    return f"protocol {spec.protocol}, medians over {spec.splits} splits"


def cross_line(summary: Summary) -> str:
    """Return the heading of the table of a second data set; empty without one."""
    cross = summary.prepared.cross
    if cross is None:
        return ""
    several = f", mean of {' and '.join(cross.targets)}" if len(cross.targets) > 1 else f", {cross.targets[0]}"
    excluded = " and ".join(f"{count} that share {article(shared)}" for shared, count in cross.shared.items())
    return (
        f"The same on {cross.dataset.name}{several}: {len(cross.rows)} images of {cross.prompts} prompts"
        f"{f', {excluded} with the training data excluded' if excluded else ''}; nothing was trained or chosen on it"
    )


def summary_line(summary: Summary) -> str:
    """Return the best configuration's figures in one sentence."""
    best = summary.best("search")
    if best is None:
        return "No trial has a finite score."
    part, figures = ("test", best.test) if best.test else ("validation", best.validation)
    metrics = figures.metrics
    return f"Best: trial {best.trial.number}, {part} SRCC {metrics['srcc']:.4f}, PLCC {metrics['plcc']:.4f}."


def conclusions(summary: Summary) -> list[str]:
    """Return one sentence for each paired comparison and each baseline without figures."""
    best = summary.best("search")
    if best is None:
        none = "No trial has a finite score, so there is nothing to report: see the outcomes above."
        return [none, *summary.exhausted.values()]
    sentences = []
    for comparison in summary.comparisons:
        name = "the control (plain_head)" if comparison.against == "control" else BASELINES[comparison.against]
        difference = comparison.difference
        if not math.isfinite(difference.estimate):
            continue
        of = f" of {comparison.target}" if len(summary.prepared.targets) > 1 else ""
        result = "cannot be distinguished from"
        if difference.low > 0 or difference.high < 0:
            result = "is better than" if difference.low > 0 else "is worse than"
        sentences.append(
            f"Trial {best.trial.number} {result} {name}: test SRCC{of} {difference.estimate:+.4f}, "
            f"paired 95 % interval [{difference.low:+.4f}, {difference.high:+.4f}]."
        )
    for baseline in summary.baselines:
        if baseline.test is None:
            sentences.append(f"No figure for the {BASELINES[baseline.name]}: {baseline.reason}.")
    return [*sentences, *summary.exhausted.values()]


def markdown_table(summary: Summary) -> str:
    """Return the result table in Markdown."""
    return _markdown(HEADER, [(row.label, *row.cells) for row in result_rows(summary)])


def cross_markdown(summary: Summary) -> list[str]:
    """Return the heading and the table of a second data set in Markdown; nothing without one."""
    rows = [(row.label, *row.cross) for row in cross_rows(summary)]
    return [f"{cross_line(summary)}.", _markdown(CROSS_HEADER, rows)] if rows else []


def _markdown(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [("", *header), ("---",) + ("---:",) * len(header), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def write_tables(summary: Summary, folder: Path) -> None:
    """Write `result.md` and `result.csv` into `folder`."""
    parts = [
        f"# {summary.prepared.spec.name}",
        protocol_line(summary),
        markdown_table(summary),
        *cross_markdown(summary),
        "\n".join(f"- {sentence}" for sentence in conclusions(summary)),
    ]
    (folder / "result.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    cross = summary.prepared.cross
    more = tuple(f"{cross.label} {name}" for name in CROSS_HEADER) if cross else ()
    with (folder / "result.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("what", *HEADER, *more))
        writer.writerows((row.label, *row.cells, *row.cross[: len(more)]) for row in result_rows(summary))


def _tool(name: str) -> str:
    """Return the command of a program of this environment: its name if PATH has it, else its path."""
    program = Path(sys.executable).parent / name
    on_path = shutil.which(name)
    return name if on_path and Path(on_path).parent == program.parent else os.path.relpath(program)


def _configuration_rows(line: ConfirmedConfiguration) -> list[Row]:
    """Return the row of a configuration and, if it has several targets, a row for each."""
    label = f"trial {line.trial.number}" if line.study == "search" else f"control {line.trial.number}"
    rows = [Row.of(line.study, f"{line.variant}, {label}", line.validation, line.test, line.cross)]
    for target, validation in line.validation.targets.items():
        test = line.test.targets[target] if line.test else None
        cross = line.cross.targets.get(target) if line.cross else None
        rows.append(Row.of(line.study, f"  {target}", validation, test, cross))
    return rows


def print_pointers(console: Console, workspace: Workspace, result: dict[str, Any]) -> None:
    """Print where the results are, how to open MLflow, and the command for the next step."""
    mlflow, slots = result["mlflow"], result["slots"]
    uri = mlflow["tracking_uri"]
    default = sqlite_url(Path.cwd() / "mlflow.db")
    look = _tool("mlflow") + (" ui" if uri == default else f" ui --backend-store-uri {shlex.quote(uri)}")
    if uri.startswith("http"):
        # Without the workflow type MLflow opens a page about traces of language models.
        look = f"{uri}/#/experiments"
        if mlflow["experiment_id"] is not None:  # else nothing has reached it yet
            look += f"/{mlflow['experiment_id']}/runs?workflowType=machine_learning"
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
