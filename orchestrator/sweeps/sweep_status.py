"""Status of a sweep, from its folder alone; nothing is created, changed or locked."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from orchestrator.core.errors import InputError
from orchestrator.core.spec import SweepSpec
from orchestrator.core.sweep_folder import LockOwner, Workspace, running, scan
from orchestrator.search.outcome import Outcome


class State(StrEnum):
    """A word for where a sweep stands."""

    RUNNING = "running"
    """A process holds its lock."""
    PAUSED = "paused"
    """A process holds its lock and, as the user asked, runs no trial."""
    INTERRUPTED = "interrupted"
    """Trials exist, and no process runs the sweep."""
    UNFINISHED = "unfinished"
    """Settings exist, and no trial yet."""
    FINISHED = "finished"
    """A result exists; with fewer trials than its budget if a time limit ended its search."""
    ARCHIVED = "archived"
    """The folder lies compressed in the archive."""
    DAMAGED = "damaged"
    """A file of it cannot be read."""


@dataclass(frozen=True)
class SweepStatus:
    """The status of a sweep in a list.

    Attributes:
        id, created, variant, dataset: of its spec; None if the spec cannot be read.
        trials: ended trials of the search; None if unknown.
        budget: of trials.
        test_srcc: of the best configuration, once confirmed.
        holder: owner of its lock.
        reason: why it is damaged.
    """

    name: str
    state: State
    id: str | None = None
    created: str | None = None
    variant: str | None = None
    dataset: str | None = None
    trials: int | None = None
    budget: int | None = None
    test_srcc: float | None = None
    holder: LockOwner | None = None
    reason: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the status for JSON."""
        return {**asdict(self), "state": str(self.state)}


def standings(out: Path) -> list[SweepStatus]:
    """Return the status of every sweep in a folder, archived ones included, oldest first; unreadable ones come last."""
    from orchestrator.sweeps.archive import archived

    found = [sweep_status(workspace, spec) for workspace, spec in scan(out)]
    found += [of_archive(name, spec, result) for name, spec, result in archived(out)]
    return sorted(found, key=lambda one: (one.created is None, one.created or one.name))


def sweep_status(workspace: Workspace, spec: SweepSpec | InputError) -> SweepStatus:
    """Return the status of the sweep in a folder."""
    if isinstance(spec, InputError):
        return SweepStatus(workspace.name, State.DAMAGED, reason=str(spec))
    try:
        if holder := running(workspace):
            trials = sum(counts(workspace)["search"].values())
            return replace(_of(spec, state_of_running(workspace, holder)), holder=holder, trials=trials)
        if workspace.result.is_file():
            return _finished(spec, workspace.result.read_text(encoding="utf-8"), State.FINISHED)
        state = State.INTERRUPTED if any(_asked(workspace).values()) else State.UNFINISHED
        return replace(_of(spec, state), trials=sum(counts(workspace)["search"].values()))
    except (InputError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return replace(_of(spec, State.DAMAGED), reason=f"{type(error).__name__}: {error}")


def state_of_running(workspace: Workspace, holder: LockOwner) -> State:
    """Return whether a running sweep is paused, as its latest heartbeat says."""
    from orchestrator.execution.sweep_heartbeat import read_heartbeat

    beat = read_heartbeat(workspace, holder)
    return State.PAUSED if beat and beat.paused else State.RUNNING


def of_archive(name: str, spec: SweepSpec | InputError, result: str | None) -> SweepStatus:
    """Return the status of an archived sweep."""
    if isinstance(spec, InputError):
        return SweepStatus(name, State.DAMAGED, reason=str(spec))
    return _finished(spec, result, State.ARCHIVED) if result else _of(spec, State.ARCHIVED)


def counts(workspace: Workspace) -> dict[str, dict[str, int]]:
    """Return ended trials by study and outcome, all five words always present.

    Raises:
        InputError: the ledger cannot be read.
    """
    return {
        study: {str(outcome): found[outcome] for outcome in Outcome}
        for study, trials in {"search": [], **_asked(workspace)}.items()
        for found in [Counter(trial.outcome for trial in trials)]
    }


def _asked(workspace: Workspace) -> dict[str, list[Any]]:
    from orchestrator.search.read_ledger import read_studies

    return read_studies(workspace)


def _of(spec: SweepSpec, state: State) -> SweepStatus:
    return SweepStatus(
        name=spec.name,
        state=state,
        id=spec.id,
        created=spec.created.isoformat(),
        variant=spec.variant,
        dataset=spec.dataset,
        budget=spec.trials,
    )


def _finished(spec: SweepSpec, result: str, state: State) -> SweepStatus:
    found = json.loads(result)
    trials = sum(found["counts"].values()) if "counts" in found else None
    return replace(_of(spec, state), trials=trials, test_srcc=confirmed_srcc(found, "best"))


def confirmed_srcc(result: Mapping[str, Any], part: str) -> float | None:
    """Return the test SRCC of the best configuration or the control, the mean over targets; None without one.

    Args:
        result: content of `result.json`.
        part: `best` or `control`.
    """
    value = ((result.get(part) or {}).get("test") or {}).get("srcc")
    return value if isinstance(value, int | float) else None
