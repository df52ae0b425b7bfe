"""Result of a sweep for the terminal, for MLflow's description and for files, from the content of `result.json`."""

from __future__ import annotations

import csv
import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from rich.console import Console

from orchestrator.core.sqlite_url import sqlite_url
from orchestrator.core.sweep_folder import Workspace
from orchestrator.core.tool_command import tool_command
from orchestrator.execution.cross_test_set import dataset_label
from orchestrator.reporting.columns import CROSS_HEADER, CROSS_PRIORITIES, HEADER, PRIORITIES
from orchestrator.reporting.duration import duration
from orchestrator.reporting.markdown_table import markdown_table
from orchestrator.reporting.result_rows import Result, cross_rows, result_rows
from orchestrator.reporting.result_sentences import conclusions, cross_line, protocol_line, title_line
from orchestrator.reporting.result_table import print_table
from orchestrator.reporting.winning_parameters import parameters_markdown, print_parameters
from orchestrator.reporting.wrapped_text import print_command, print_heading, print_text


def print_result(console: Console, result: Result, report: str = "report") -> None:
    """Print the table with its heading, the comparisons of the best configuration, and its parameters.

    Args:
        console: output.
        result: content of `result.json`.
        report: folder of `result.md`, named if the terminal has no room for all columns.
    """
    console.print()
    print_heading(console, title_line(result))
    rows = result_rows(result)
    hidden = print_table(console, HEADER, PRIORITIES, [(row, row.cells) for row in rows])
    _print_hidden(console, hidden, report)
    console.print()
    if rows := cross_rows(result):
        print_heading(console, cross_line(result))
        hidden = print_table(console, CROSS_HEADER, CROSS_PRIORITIES, [(row, row.cross) for row in rows])
        _print_hidden(console, hidden, report)
        console.print()
    for sentence in conclusions(result):
        print_text(console, sentence)
    print_parameters(console, result)


def _print_hidden(console: Console, hidden: int, report: str) -> None:
    if hidden:
        print_text(console, f"{hidden} more column{'s' * (hidden > 1)} in {report}/result.md", "dim")


def result_markdown(result: Result) -> str:
    """Return the result table in Markdown."""
    return markdown_table(("", *HEADER), [(row.label, *row.cells) for row in result_rows(result)], right=True)


def cross_markdown(result: Result) -> list[str]:
    """Return the heading and the table of a second data set in Markdown; nothing without one."""
    rows = [(row.label, *row.cross) for row in cross_rows(result)]
    return [f"{cross_line(result)}.", markdown_table(("", *CROSS_HEADER), rows, right=True)] if rows else []


def write_tables(result: Result, folder: Path, commands: Mapping[str, str] = MappingProxyType({})) -> None:
    """Write `result.md` and `result.csv` into `folder`; the former has the commands that use the winner again."""
    parts = [
        f"# {result['name']}",
        protocol_line(result),
        result_markdown(result),
        *cross_markdown(result),
        "\n".join(f"- {sentence}" for sentence in conclusions(result)),
        *parameters_markdown(result),
        *(f"{name}:\n\n```sh\n{command}\n```" for name, command in commands.items()),
    ]
    (folder / "result.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    cross = result.get("cross")
    more = tuple(f"{dataset_label(cross['dataset'])} {name}" for name in CROSS_HEADER) if cross else ()
    with (folder / "result.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("what", *HEADER, *more))
        writer.writerows((row.label, *row.cells, *row.cross[: len(more)]) for row in result_rows(result))


def serve_command(tracking_uri: str) -> str:
    """Return the command that serves MLflow's pages from a database."""
    default = tracking_uri == sqlite_url(Path.cwd() / "mlflow.db")
    return f"{tool_command('mlflow')} ui" + ("" if default else f" --backend-store-uri {shlex.quote(tracking_uri)}")


def print_pointers(console: Console, workspace: Workspace, result: Result) -> None:
    """Print where the results are, how to open MLflow, and the command for the next step."""
    mlflow, slots = result["mlflow"], result["slots"]
    uri = mlflow["tracking_uri"]
    runs = mlflow.get("page")  # None if nothing has reached MLflow yet
    look = runs or f"{uri}/#/experiments"
    if not uri.startswith("http"):
        look = f"{serve_command(uri)}, then open {runs}" if runs else serve_command(uri)
    folder = os.path.relpath(workspace.root)
    score = (
        f'{tool_command("python")} -m orchestrator.score --model {result["name"]} --prompt "a red fox in snow" IMAGE…'
    )
    page = workspace.report_page
    lines = {
        "Took": f"{duration(result['seconds'])}; {slots['count']} slots, busy {slots['busy_share']:.0%} of the time",
        "Results": f"{folder}/result.json, tables and figures in {folder}/report/",
        **({"Report": os.path.relpath(page)} if page.is_file() else {}),
        "Look": f"{look}   (experiment “{mlflow['experiment']}”, run “{result['name']}”)",
    }
    console.print()
    for name, text in lines.items():
        print_text(console, text, first=f"{name:8} ")
    print_command(console, score, first=f"{'Next':8} ")
