"""Best objective after each trial of a study."""

from __future__ import annotations

from collections.abc import Iterable

from orchestrator.search.ledger_trial import LedgerTrial
from orchestrator.search.outcome import Outcome


def best_so_far(trials: Iterable[LedgerTrial]) -> list[tuple[int, float]]:
    """Return number and objective of each complete trial that was the best so far, and of the last one."""
    best: list[tuple[int, float]] = []
    last = None
    for trial in trials:
        if trial.outcome is Outcome.COMPLETE and trial.objective is not None:
            last = trial.number
            if not best or trial.objective > best[-1][1]:
                best.append((trial.number, trial.objective))
    if last is not None and last != best[-1][0]:
        best.append((last, best[-1][1]))
    return best
