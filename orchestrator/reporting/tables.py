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

from orchestrator.core.workspace import Workspace
from orchestrator.execution.cross_dataset import article
from orchestrator.reporting.aggregate import Figures
from orchestrator.reporting.live_view import duration
from orchestrator.reporting.summary import BASELINES, ConfirmedConfiguration, Summary
from orchestrator.reporting.table_cells import CROSS_HEADER, TEST_HEADER, cells_of_test, cross_cells

HEADER = ("", "val SRCC", "val PLCC", *TEST_HEADER)


@dataclass(frozen=True)
class Row:
    """A line of the result table, as text; `cross` are its cells in the table of a second data set."""

    group: str
    cells: tuple[str, ...]
    cross: tuple[str, ...] = cross_cells(None)


def result_rows(summary: Summary) -> list[Row]:
    """The configurations, best first, then the controls, then the baselines."""
    rows = [row for line in summary.confirmed for row in _configuration_rows(line)]
    for baseline in summary.baselines:
        if baseline.test:
            cells = (BASELINES[baseline.name], "", "", *cells_of_test(baseline.test))
            rows.append(Row("baselines", cells, cross_cells(baseline.cross)))
    return rows


def cross_rows(summary: Summary) -> list[Row]:
    """The same lines on a second data set, those that have figures there; none without one."""
    return [Row(row.group, (row.cells[0], *row.cross)) for row in result_rows(summary) if any(row.cross)]


def print_result(console: Console, summary: Summary) -> None:
    """The table with its heading and what it says about the best configuration."""
    spec = summary.prepared.spec
    what = f"{spec.variant} on {summary.prepared.dataset.name}: {', '.join(summary.prepared.targets)}"
    marked = " — OPTIMISTIC: epochs and configurations were chosen on the test images" if summary.optimistic else ""
    console.print()
    console.print(_table(f"{what} ({protocol_line(summary)}){marked}", HEADER, result_rows(summary)))
    console.print()
    if rows := cross_rows(summary):
        console.print(_table(cross_line(summary), ("", *CROSS_HEADER), rows))
        console.print()
    for sentence in conclusions(summary):
        console.print(sentence, highlight=False, soft_wrap=True)


def _table(title: str, header: tuple[str, ...], rows: list[Row]) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for position, name in enumerate(header):
        justify: Any = "left" if position == 0 else "right"
        # On two lines, so that the widest cell and not its heading decides a column's width.
        table.add_column("\n".join(name.rsplit(" ", 1)), justify=justify, no_wrap=position > 0)
    previous = ""
    for row in rows:
        if previous and row.group != previous:
            table.add_section()
            table.add_row()
        # The only bold line is the configuration that won.
        table.add_row(*row.cells, style="bold" if not previous and row.group == "search" else "")
        previous = row.group
    return table


def protocol_line(summary: Summary) -> str:
    """How the figures came about, in a few words."""
    spec = summary.prepared.spec
    if not spec.confirm:
        return f"protocol {spec.protocol}, split 0, not confirmed on test"
    return f"protocol {spec.protocol}, medians over {spec.splits} splits"


def cross_line(summary: Summary) -> str:
    """What the figures on a second data set are of; empty without one."""
    cross = summary.prepared.cross
    if cross is None:
        return ""
    several = f", mean of {' and '.join(cross.targets)}" if len(cross.targets) > 1 else f", {cross.targets[0]}"
    left_out = " and ".join(f"{count} that share {article(what)}" for what, count in cross.shared.items())
    return (
        f"The same on {cross.dataset.name}{several}: {len(cross.rows)} images of {cross.prompts} prompts"
        f"{f', {left_out} with the training data left out' if left_out else ''}; nothing was trained or chosen on it"
    )


def summary_line(summary: Summary) -> str:
    """The headline in one sentence."""
    best = summary.best("search")
    if best is None:
        return "No trial came to anything."
    part, figures = ("test", best.test) if best.test else ("validation", best.validation)
    metrics = figures.metrics
    return f"Best: trial {best.trial.number}, {part} SRCC {metrics['srcc']:.4f}, PLCC {metrics['plcc']:.4f}."


def conclusions(summary: Summary) -> list[str]:
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
    return _markdown(HEADER, result_rows(summary))


def cross_markdown(summary: Summary) -> list[str]:
    """A line and a table in Markdown of the figures on a second data set; nothing without one."""
    rows = cross_rows(summary)
    return [f"{cross_line(summary)}.", _markdown(("", *CROSS_HEADER), rows)] if rows else []


def _markdown(header: tuple[str, ...], rows: list[Row]) -> str:
    lines = [header, ("---",) + ("---:",) * (len(header) - 1), *(row.cells for row in rows)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def write_tables(summary: Summary, folder: Path) -> None:
    """`result.md` and `result.csv` in `folder`."""
    parts = [
        f"# {summary.prepared.spec.name}",
        protocol_line(summary),
        markdown_table(summary),
        *cross_markdown(summary),
        "\n".join(f"- {sentence}" for sentence in conclusions(summary)),
    ]
    (folder / "result.md").write_text("\n\n".join(parts) + "\n")
    cross = summary.prepared.cross
    more = tuple(f"{cross.label} {name}" for name in CROSS_HEADER) if cross else ()
    with (folder / "result.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("what", *HEADER[1:], *more))
        writer.writerows((*row.cells, *row.cross[: len(more)]) for row in result_rows(summary))


def _tool(name: str) -> str:
    """How to call a program of this environment: by its name where that finds it, else by its path."""
    beside = Path(sys.executable).parent / name
    found = shutil.which(name)
    return name if found and Path(found).parent == beside.parent else os.path.relpath(beside)


def _configuration_rows(line: ConfirmedConfiguration) -> list[Row]:
    """A row a configuration and, under it, one a target where there are several."""
    label = f"trial {line.trial.number}" if line.study == "search" else f"control {line.trial.number}"
    rows = [_figures_row(line.study, f"{line.variant}, {label}", line.validation, line.test, line.cross)]
    for target, validation in line.validation.targets.items():
        test = line.test.targets[target] if line.test else None
        cross = line.cross.targets.get(target) if line.cross else None
        rows.append(_figures_row(line.study, f"  {target}", validation, test, cross))
    return rows


def _figures_row(group: str, label: str, validation: Figures, test: Figures | None, cross: Figures | None) -> Row:
    cells = (f"{validation.metrics['srcc']:.4f}", f"{validation.metrics['plcc']:.4f}")
    return Row(group, (label, *cells, *cells_of_test(test)), cross_cells(cross))


def print_pointers(console: Console, workspace: Workspace, result: dict[str, Any]) -> None:
    """Where everything is, the command that opens MLflow, and the one for the next step."""
    mlflow, slots = result["mlflow"], result["slots"]
    uri = mlflow["tracking_uri"]
    here = f"sqlite:///{Path.cwd() / 'mlflow.db'}"
    look = _tool("mlflow") + (" ui" if uri == here else f" ui --backend-store-uri {uri}")
    if uri.startswith("http"):
        # Without its workflow MLflow opens on a page about traces of language models, whatever the experiment's kind.
        look = f"{uri}/#/experiments/{mlflow['experiment_id']}/runs?workflowType=machine_learning"
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
