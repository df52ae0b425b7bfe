"""Failure that all trials of a sweep have in common."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.execution.failures import Failure
from orchestrator.search.ledger import Ledger
from orchestrator.search.outcome import Outcome

_SAME_FAILURES = 3
"""Number of trials after which the sweep stops if all of them failed with the same error."""


def repeated_failure(ledgers: Sequence[Ledger], budget: int) -> str | None:
    """Return a sentence if every trial failed with the same error, since the rest of the budget would as well.

    Args:
        ledgers: of the searches.
        budget: of trials of each.
    """
    counts = [ledger.counts() for ledger in ledgers]
    failed = sum(count[Outcome.FAILED] for count in counts)
    if failed < min(_SAME_FAILURES, budget) or failed < sum(sum(count.values()) for count in counts):
        return None
    trials = [trial for ledger in ledgers for trial in ledger.trials()]
    ended = [trial for trial in trials if trial.outcome]
    last = [Failure.from_dict(trial.attributes["failures"][-1]) for trial in ended if "failures" in trial.attributes]
    furthest = max((failure.epoch for failure in last), default=0)
    others_got_further = any(max(trial.epochs, default=0) > furthest for trial in trials)
    if len(last) == len(ended) and len({failure.signature for failure in last}) == 1 and not others_got_further:
        return f"Every trial so far ({len(ended)}) failed in the same way: {last[0].signature}"
    return None
