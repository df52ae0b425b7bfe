"""Parameters of the best configurations: with their defaults, as a file to enqueue, and as a fixed space."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from orchestrator.core.atomic_files import write_file
from orchestrator.core.sweep_folder import Workspace
from orchestrator.reporting.markdown_table import markdown_table
from orchestrator.reporting.result_rows import Result, configuration_label
from orchestrator.reporting.wrapped_text import print_command, print_heading

if TYPE_CHECKING:
    from orchestrator.core.spec import SweepSpec
    from orchestrator.search.space import SearchSpace

ENQUEUE, FIXED_SPACE = "best.json", "best_space.yaml"
"""Files of the winner in a sweep's report: for `--enqueue` and for `--space`."""

DIFFERS = "*"
"""Mark of a value that is not the default."""


def parameters_json(space: SearchSpace, params: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the searched parameters of a configuration, learning rates first: name, value, default, differs.

    Args:
        space: search space of the configuration.
        params: Optuna's flat parameters.

    Raises:
        InputError: the parameters do not fit the space.
    """
    from orchestrator.search.varied_parameters import varied_parameters

    return [{**asdict(found), "differs": found.differs} for found in varied_parameters(space, params)]


def parameter_cells(result: Result) -> tuple[list[str], list[tuple[str, ...]]]:
    """Return headings and rows of the table of parameters; both are empty if no configuration has any.

    The columns are the parameter, its value in the best configuration of the variant and of the control, its default.
    """
    winners = [found for found in (result.get("best"), result.get("control")) if found and found.get("parameters")]
    rows = parameter_rows([found["parameters"] for found in winners])
    if not rows:
        return [], []
    return ["parameter", *(configuration_label(result, found) for found in winners), "default"], rows


def parameter_rows(columns: Sequence[Sequence[Mapping[str, Any]]], missing: str = "") -> list[tuple[str, ...]]:
    """Return a row for each parameter: its name, its value in each configuration, its default.

    Args:
        columns: parameters of each configuration, as `parameters_json` returns them.
        missing: cell of a configuration that does not have the parameter.
    """
    by_name = [{one["name"]: one for one in parameters} for parameters in columns]
    names = dict.fromkeys(name for found in by_name for name in found)
    defaults = {name: next(found[name]["default"] for found in by_name if name in found) for name in names}
    return [
        (name, *(_value(found[name]) if name in found else missing for found in by_name), _text(defaults[name]))
        for name in names
    ]


def print_parameters(console: Console, result: Result) -> None:
    """Print the table of the best configurations' parameters; nothing if there are none."""
    headings, rows = parameter_cells(result)
    if not rows:
        return
    console.print()
    print_heading(console, f"Best configurations; {DIFFERS} marks a value that is not the default")
    table = Table(box=None, pad_edge=False)
    for heading in headings:
        table.add_column(heading.replace(", ", ",\n"), overflow="fold")
    for name, *values, default in rows:
        cells = [f"[bold]{_escape(value)}[/bold]" if value.endswith(DIFFERS) else _escape(value) for value in values]
        table.add_row(name, *cells, f"[dim]{_escape(default)}[/dim]")
    console.print(table, highlight=False)


def parameters_markdown(result: Result) -> list[str]:
    """Return the table of the best configurations' parameters in Markdown with its heading; nothing without one."""
    headings, rows = parameter_cells(result)
    if not rows:
        return []
    table = markdown_table(headings, [[cell.replace("*", "\\*") for cell in cells] for cells in rows])
    return [f"Best configurations; \\{DIFFERS} marks a value that is not the default.", table]


def write_winner(space: SearchSpace, result: Result, folder: Path) -> None:
    """Write the best configuration as `best.json` for `--enqueue` and `best_space.yaml` for `--space`."""
    import yaml

    best = result["best"]
    for name in (ENQUEUE, FIXED_SPACE):
        (folder / name).unlink(missing_ok=True)  # of a smaller budget
    if best is None:
        return
    write_file(folder / ENQUEUE, json.dumps([best["params"]], indent=1) + "\n")
    fixed = space.fixed_at(best["params"]).model_dump(mode="json", exclude_defaults=True)
    head = f"# The space of the sweep {result['name']}, each searched value fixed at that of trial {best['trial']}.\n"
    write_file(folder / FIXED_SPACE, head + yaml.safe_dump(fixed, sort_keys=False))


def reuse_commands(spec: SweepSpec, workspace: Workspace, result: Result) -> dict[str, str]:
    """Return the commands that try the best configuration first ("Enqueue") or train no other ("Fix")."""
    if not result["best"]:
        return {}
    from orchestrator.core.sweep_command import sweep_command

    report = os.path.relpath(workspace.report)
    own = {"space": os.path.relpath(workspace.space)} if spec.space else {}
    commands = {"Fix": sweep_command(spec, space=f"{report}/{FIXED_SPACE}")}
    if result["best"]["params"]:
        return {"Enqueue": sweep_command(spec, **own, enqueue=f"{report}/{ENQUEUE}"), **commands}
    return commands


def print_reuse(console: Console, spec: SweepSpec, workspace: Workspace, result: Result) -> None:
    """Print the commands that use the best configuration again, if the sweep's report has its files."""
    if (workspace.report / ENQUEUE).is_file():
        console.print()
        for name, command in reuse_commands(spec, workspace, result).items():
            print_command(console, command, first=f"{name:8} ")


def _value(parameter: Mapping[str, Any]) -> str:
    return f"{_text(parameter['value'])}{f' {DIFFERS}' if parameter['differs'] else ''}"


def _text(value: Any) -> str:
    from orchestrator.search.varied_parameters import format_value

    return "–" if value is None else format_value(value)


def _escape(text: str) -> str:
    from rich.markup import escape

    return escape(text)
