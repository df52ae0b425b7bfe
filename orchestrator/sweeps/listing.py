"""Output of `sweeps list` and `sweeps show`."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from orchestrator.core.shown_commands import resume_lines
from orchestrator.core.spec import load_spec
from orchestrator.core.sweep_folder import Workspace, running
from orchestrator.reporting.claims import claims_of_result, print_claims
from orchestrator.reporting.finished_sweep import print_finished
from orchestrator.reporting.read_result import read_result
from orchestrator.search.outcome import Outcome
from orchestrator.sweeps.best import best_configurations, print_best
from orchestrator.sweeps.sweep_status import State, SweepStatus, counts, standings, state_of_running, sweep_status


def print_list(out: Path, console: Console) -> None:
    """Print a line per sweep, newest last; on a narrow terminal without ids."""
    table = Table(box=None, pad_edge=False)
    headers = ["name", "id", "created", "variant", "data set", "state", "trials", "test SRCC"]
    if narrow := console.width < 100:
        headers.remove("id")
    for header in headers:
        if header == "state":
            table.add_column(header, overflow="fold", min_width=10)
        else:  # a narrow terminal takes it from the widest of state and these two
            table.add_column(header, overflow="ellipsis", no_wrap=header not in {"name", "data set"})
    for one in standings(out):
        table.add_row(
            one.name,
            *([] if narrow else [one.id or ""]),
            datetime.fromisoformat(one.created).astimezone().strftime("%Y-%m-%d %H:%M") if one.created else "",
            one.variant or "",
            Path(one.dataset.removeprefix("csv:")).name if one.dataset else "",
            _state(one),
            "" if one.trials is None else f"{one.trials}/{one.budget}",
            "" if one.test_srcc is None else f"{one.test_srcc:.4f}",
        )
    console.print(table, highlight=False, markup=False)


def print_sweep(workspace: Workspace, console: Console) -> None:
    """Print result and claims of a finished sweep, or the progress of another one and the command that resumes it.

    Args:
        workspace: of the sweep.
        console: output.

    Raises:
        InputError: its spec or its ledger cannot be read.
    """
    spec = load_spec(workspace.spec)
    if result := read_result(workspace, spec):
        print_finished(console, workspace, spec, result)
        if claims := claims_of_result(result):
            console.print()
            print_claims(console, claims)
        return
    holder = running(workspace)
    state = f"{state_of_running(workspace, holder)} {holder}" if holder else "not finished"
    lines = [f"{spec.name} is {state}: {spec.variant} on {spec.dataset}."]
    for study, by_outcome in counts(workspace).items():
        found = ", ".join(f"{by_outcome[outcome]} {outcome}" for outcome in Outcome if by_outcome[outcome])
        of = "" if study == "confirm" else f" of {spec.trials}"
        lines.append(f"  {study}: {sum(by_outcome.values())}{of} ended{f' ({found})' if found else ''}")
    console.print("\n".join(lines), highlight=False, markup=False, soft_wrap=True)
    if (best := best_configurations(workspace))["best"]:
        console.print("\nBest so far:", highlight=False)
        print_best(console, workspace, best)
    if holder is None:
        hint = resume_lines(workspace.name, workspace.root.parent)
        console.print(f"\n{hint}", highlight=False, markup=False, soft_wrap=True)


def sweep_json(workspace: Workspace) -> dict[str, Any]:
    """Return a finished sweep's result, or status, outcomes and best configurations so far of another one.

    Raises:
        InputError: its spec, its ledger or its result cannot be read.
    """
    spec = load_spec(workspace.spec)
    if result := read_result(workspace, spec):
        return result
    status = sweep_status(workspace, spec).as_dict()
    return {**best_configurations(workspace), "status": status, "counts": counts(workspace)}


def _state(one: SweepStatus) -> str:
    if one.state in {State.RUNNING, State.PAUSED}:
        return f"{one.state} {one.holder}"
    return f"damaged: {one.reason}" if one.state is State.DAMAGED else str(one.state)
