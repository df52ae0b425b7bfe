"""Where a sweep stands, from its folder alone: nothing is made, mended or locked."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from orchestrator.core.errors import InputError
from orchestrator.search.outcome import Outcome
from orchestrator.core.spec import SweepSpec
from orchestrator.core.workspace import LockOwner, Workspace, running, scan


class State(StrEnum):
    """A word for where a sweep stands."""

    RUNNING = "running"
    """Somebody holds it now."""
    INTERRUPTED = "interrupted"
    """It has trials, and nobody goes on with it."""
    UNFINISHED = "unfinished"
    """It has settings, and no trial yet."""
    FINISHED = "finished"
    """It has a result; with fewer trials than its budget where a limit in time ended its search."""
    ARCHIVED = "archived"
    """It lies compressed in the archive."""
    DAMAGED = "damaged"
    """A file of it cannot be read."""


@dataclass(frozen=True)
class SweepStatus:
    """What a list says of a sweep.

    Attributes:
        id, created, variant, dataset: of its spec; None where that cannot be read.
        trials: of the search, that have ended; None where that is not known.
        budget: of trials.
        test_srcc: of the best configuration, once confirmed.
        holder: who runs it.
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
        """For JSON."""
        return {**asdict(self), "state": str(self.state)}


def standings(out: Path) -> list[SweepStatus]:
    """Every sweep in a folder, archived ones included, oldest first; those without a readable spec come last."""
    from orchestrator.sweeps.archive import archived

    found = [sweep_status(workspace, spec) for workspace, spec in scan(out)]
    found += [of_archive(name, spec, result) for name, spec, result in archived(out)]
    return sorted(found, key=lambda one: (one.created is None, one.created or one.name))


def sweep_status(workspace: Workspace, spec: SweepSpec | InputError) -> SweepStatus:
    """Where the sweep in a folder stands."""
    if isinstance(spec, InputError):
        return SweepStatus(workspace.name, State.DAMAGED, reason=str(spec))
    try:
        if holder := running(workspace):
            trials = sum(counts(workspace)["search"].values())
            return replace(_of(spec, State.RUNNING), holder=holder, trials=trials)
        if workspace.result.is_file():
            return _finished(spec, workspace.result.read_text(), State.FINISHED)
        state = State.INTERRUPTED if any(_asked(workspace).values()) else State.UNFINISHED
        return replace(_of(spec, state), trials=sum(counts(workspace)["search"].values()))
    except (InputError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return replace(_of(spec, State.DAMAGED), reason=f"{type(error).__name__}: {error}")


def of_archive(name: str, spec: SweepSpec | InputError, result: str | None) -> SweepStatus:
    """Where an archived sweep stood."""
    if isinstance(spec, InputError):
        return SweepStatus(name, State.DAMAGED, reason=str(spec))
    return _finished(spec, result, State.ARCHIVED) if result else _of(spec, State.ARCHIVED)


def counts(workspace: Workspace) -> dict[str, dict[str, int]]:
    """Ended trials by study and outcome, all five words always present.

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
    test = (found.get("best") or {}).get("test")
    trials = sum(found["counts"].values()) if "counts" in found else None
    return replace(_of(spec, state), trials=trials, test_srcc=test["srcc"] if test else None)
