"""Result of a finished sweep, read from its folder and printed as at the sweep's end; nothing is computed again."""

from __future__ import annotations

import json
import os
from typing import Any

from rich.console import Console

from orchestrator.core.errors import InputError, reason
from orchestrator.core.spec import SweepSpec
from orchestrator.core.sweep_folder import Workspace
from orchestrator.reporting.result_rows import Result, study_of
from orchestrator.reporting.tables import print_pointers, print_result
from orchestrator.reporting.winning_parameters import parameters_json, print_reuse


def print_finished(console: Console, workspace: Workspace, spec: SweepSpec, result: Result) -> None:
    """Print tables, sentences and parameters of a result, how to use them again, and where everything is."""
    print_result(console, result, os.path.relpath(workspace.report))
    print_reuse(console, spec, workspace, result)
    if "mlflow" in result and "slots" in result:
        print_pointers(console, workspace, result)


def read_result(workspace: Workspace, spec: SweepSpec) -> dict[str, Any] | None:
    """Read `result.json`, None if the sweep is not finished; what an earlier version did not write is added.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        result: dict[str, Any] = json.loads(workspace.result.read_text(encoding="utf-8"))
        names = ("name", "variant", "dataset", "targets", "protocol", "confirm", "splits")
        known = {name: getattr(spec, name) for name in names}
        result = {**known, "optimistic": spec.protocol == "paper", "best": None, **result}
        _add_parameters(workspace, result)
        return result
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{workspace.result} cannot be read: {reason(error)}.") from error


def _add_parameters(workspace: Workspace, result: dict[str, Any]) -> None:
    """Add the best configurations' parameters with their defaults, which earlier versions did not write."""
    from orchestrator.search.space import load_space

    for part in ("best", "control"):
        found = result.get(part)
        if not found or "parameters" in found or not found.get("params"):
            continue
        try:
            space = load_space(workspace.space, begun=True)
            own = space.without_hypernet() if study_of(found) == "control" else space
            found["parameters"] = parameters_json(own, found["params"])
        except InputError:  # the space of an earlier version; the figures are shown without the parameters
            found["parameters"] = []
