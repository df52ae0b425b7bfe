"""Best configurations of a sweep, finished or not: figures, parameters with their defaults, how to use them again."""

from __future__ import annotations

import json
import math
import shlex
from typing import TYPE_CHECKING, Any

from rich.console import Console

from orchestrator.core.spec import SweepSpec, load_spec
from orchestrator.core.sweep_folder import Workspace
from orchestrator.reporting.columns import result_cells
from orchestrator.reporting.read_result import read_result
from orchestrator.reporting.result_rows import Result, configuration_label
from orchestrator.reporting.winning_parameters import (
    ENQUEUE,
    parameters_json,
    print_parameters,
    print_reuse,
)
from orchestrator.reporting.wrapped_text import print_command, print_text

if TYPE_CHECKING:
    from orchestrator.execution.job import Study
    from orchestrator.reporting.sweep_record import SweepRecord

_SHOWN = ("name", "sweep_id", "variant", "dataset", "targets", "protocol", "best", "control")


def best_configurations(workspace: Workspace) -> dict[str, Any]:
    """Return the best configurations of variant and control as in `result.json`, and whether the sweep is finished.

    Of an unfinished sweep they are the best by validation so far, without figures on test.

    Raises:
        InputError: the sweep's settings, ledger or result cannot be read.
    """
    spec = load_spec(workspace.spec)
    if result := read_result(workspace, spec):
        return {**{key: result.get(key) for key in _SHOWN}, "finished": True}
    from orchestrator.reporting.sweep_record import read_sweep_record

    record = read_sweep_record(workspace) if workspace.space.is_file() else None
    return {
        "name": spec.name,
        "sweep_id": spec.id,
        "variant": spec.variant,
        "dataset": spec.dataset,
        "targets": list(spec.targets),
        "protocol": spec.protocol,
        "best": record and _best_so_far(record, "search"),
        "control": record and _best_so_far(record, "control"),
        "finished": False,
    }


def print_best(console: Console, workspace: Workspace, found: Result) -> None:
    """Print the best configurations: figures, parameters, and the commands that use them again."""
    spec = load_spec(workspace.spec)
    if found["best"] is None:
        print_text(console, f"No trial of {found['name']} has a finite score{'' if found['finished'] else ' yet'}.")
        return
    for part in ("best", "control"):
        if found[part]:
            print_text(console, _figures_line(found, found[part]))
    print_parameters(console, found)
    if found["finished"]:
        print_reuse(console, spec, workspace, found)
    elif found["best"]["params"]:
        console.print()
        for command in enqueue_commands(spec, found):
            print_command(console, command)


def enqueue_commands(spec: SweepSpec, found: Result) -> list[str]:
    """Return the shell commands that write the best configuration so far to a file and enqueue it in a new sweep."""
    from orchestrator.core.sweep_command import sweep_command

    own = {"space": spec.space} if spec.space else {}
    write = f"echo {shlex.quote(json.dumps([found['best']['params']]))} > {ENQUEUE}"
    return [write, sweep_command(spec, **own, enqueue=ENQUEUE)]


def _best_so_far(record: SweepRecord, study: Study) -> dict[str, Any] | None:
    from models import CONTROL
    from orchestrator.execution.job import job_key

    trial = record.best(study)
    if trial is None:
        return None
    return {
        "trial": trial.number,
        "source": job_key(study, trial.number),
        "variant": CONTROL if study == "control" else record.spec.variant,
        "params": trial.params,
        "parameters": parameters_json(record.space_of(study), trial.params),
        "val": {"srcc": trial.objective, "plcc": _finite(trial.attributes.get("final", {}).get("best_val_plcc"))},
        "test": None,
    }


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _figures_line(found: Result, configuration: dict[str, Any]) -> str:
    """Return label, validation figures and, if the configuration is confirmed, test figures in one sentence."""
    cells = result_cells(configuration["val"], configuration["test"])
    line = f"{configuration_label(found, configuration)}: validation SRCC {cells[0]}, PLCC {cells[1]}"
    if configuration["test"]:
        interval = f", 95 % interval {cells[3]}" if cells[3] else ""
        line += f"; test SRCC {cells[2]}{interval}, PLCC {cells[4]}"
    return f"{line}."
