"""A sweep's budget of trials and of splits: whether it is met, and raising it."""

from __future__ import annotations

import json
import os
from typing import Any

from orchestrator.core.errors import InputError
from orchestrator.core.spec import SweepSpec
from orchestrator.core.sweep_folder import Workspace

SEARCHES = ("search", "control")


def is_met(workspace: Workspace, budget: int) -> bool:
    """Return whether the sweep has a result, and its search and its control's have `budget` trials or no more."""
    if not workspace.result.is_file():
        return False
    result = json.loads(workspace.result.read_text(encoding="utf-8"))
    return all(trials >= budget for study, trials in _trials(result).items() if study not in exhausted(result))


def exhausted(result: dict[str, Any]) -> list[str]:
    """Return the searches that no budget extends, since their spaces have no more configurations."""
    return list(result.get("exhausted", []))


def check_budget(workspace: Workspace, budget: int) -> None:
    """Raise InputError if more than `budget` trials have started."""
    from orchestrator.search.read_ledger import read_studies

    studies = read_studies(workspace)
    there = max((len(studies.get(study, ())) for study in SEARCHES), default=0)
    if budget < there:
        raise InputError(f"The sweep {workspace.name} has {there} trials already: --trials {budget} is fewer.")


def check_splits(before: SweepSpec, spec: SweepSpec) -> None:
    """Raise InputError if a sweep is to be confirmed on fewer splits than before, or was not to be confirmed at all."""
    if spec.splits < before.splits:
        raise InputError(
            f"The sweep {spec.name} confirms on {before.splits} splits already: --splits {spec.splits} is fewer."
        )
    if spec.splits > before.splits and not spec.confirm:
        raise InputError(f"The sweep {spec.name} was started with --confirm 0, so --splits confirms nothing.")


def set_budget(workspace: Workspace, before: SweepSpec, budget: int, splits: int | None = None) -> None:
    """Make a sweep with jobs to run unfinished again; keep its result so far under another name.

    The order matters: a kill in between leaves an unfinished sweep of the old budget, whose budget can be raised again.
    """
    if workspace.result.is_file():
        result = json.loads(workspace.result.read_text(encoding="utf-8"))
        ended = min(_trials(result).values())
        kept = workspace.earlier_result(ended)
        os.replace(workspace.result, workspace.earlier_result(ended, before.splits) if kept.exists() else kept)
    raised = {"trials": budget, "splits": before.splits if splits is None else splits}
    if raised != {"trials": before.trials, "splits": before.splits}:
        before.model_copy(update=raised).save(workspace.spec)


def _trials(result: dict[str, Any]) -> dict[str, int]:
    """Return the number of ended trials of each search."""
    counts = zip(SEARCHES, (result["counts"], result.get("control_counts")), strict=True)
    return {study: sum(outcomes.values()) for study, outcomes in counts if outcomes}
