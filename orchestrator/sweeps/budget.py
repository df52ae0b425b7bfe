"""A sweep's budget of trials: whether it is met, and raising it."""

from __future__ import annotations

import json
import os
from typing import Any

from orchestrator.core.errors import InputError
from orchestrator.core.spec import SweepSpec
from orchestrator.core.workspace import Workspace

SEARCHES = ("search", "control")


def is_met(workspace: Workspace, budget: int) -> bool:
    """Whether the sweep has a result, and its search and its control's have as many trials as that."""
    if not workspace.result.is_file():
        return False
    return _trials(json.loads(workspace.result.read_text())) >= budget


def check_budget(workspace: Workspace, budget: int) -> None:
    """Raises InputError where more trials than that have begun."""
    from orchestrator.search.read_ledger import read_studies

    studies = read_studies(workspace)
    there = max((len(studies.get(study, ())) for study in SEARCHES), default=0)
    if budget < there:
        raise InputError(f"The sweep {workspace.name} has {there} trials already: --trials {budget} is fewer.")


def set_budget(workspace: Workspace, before: SweepSpec, budget: int) -> None:
    """Makes a sweep unfinished that has trials to run; its result so far is kept beside.

    In this order: a kill in between leaves an unfinished sweep of the old budget, to be extended again.
    """
    if workspace.result.is_file():
        result = json.loads(workspace.result.read_text())
        os.replace(workspace.result, workspace.earlier_result(_trials(result)))
    if budget != before.trials:
        before.model_copy(update={"trials": budget}).save(workspace.spec)


def _trials(result: dict[str, Any]) -> int:
    """Trials that ended, in the search that has fewer."""
    counts = [result["counts"], result.get("control_counts")]
    return min(sum(outcomes.values()) for outcomes in counts if outcomes)
