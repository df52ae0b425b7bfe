"""Reader of a sweep's `result.json`, which completes what earlier versions did not write."""

from __future__ import annotations

import json
from typing import Any

from orchestrator.core.errors import InputError, reason
from orchestrator.core.spec import SweepSpec
from orchestrator.core.sweep_folder import Workspace
from orchestrator.reporting.result_rows import study_of
from orchestrator.reporting.winning_parameters import parameters_json


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
