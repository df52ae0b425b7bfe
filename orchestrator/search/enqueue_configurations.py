"""Add configurations to a search that has begun, as its next trials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from orchestrator.search.ledger import Ledger


@dataclass
class EnqueuedTrials:
    """Trials that were added to a search.

    Attributes:
        numbers: of the new trials.
        known: number of the earlier trial with the same configuration, by position in the file.
        no_room: count of configurations that exceed the budget.
    """

    numbers: list[int] = field(default_factory=list)
    known: dict[int, int] = field(default_factory=dict)
    no_room: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return the trials for JSON."""
        known = [{"configuration": position, "trial": number} for position, number in self.known.items()]
        return {"trials": self.numbers, "known": known, "no_room": self.no_room}

    def names(self) -> str:
        """Return the new trials in words: `trial 7`, or `trials 7, 8`."""
        return f"trial{'s' if len(self.numbers) > 1 else ''} {', '.join(map(str, self.numbers))}"

    def sentences(self, budget: int) -> str:
        """Return what happened to the configurations."""
        found = []
        if self.numbers:
            found.append(f"Enqueued as the next: {self.names()}.")
        for position, number in self.known.items():
            found.append(f"Configuration {position} is that of trial {number} already.")
        if self.no_room:
            which = f"{self.no_room} configurations exceed" if self.no_room > 1 else "1 configuration exceeds"
            found.append(f"{which} the budget of {budget} trials.")
        return " ".join(found)


def enqueue_configurations(
    ledger: Ledger, configurations: Sequence[Mapping[str, Any]], budget: int, by: str
) -> EnqueuedTrials:
    """Queue the configurations that were not started or queued before, as far as the budget has room.

    Args:
        ledger: of the search.
        configurations: checked ones, as Optuna's flat parameters.
        budget: of the search, in trials.
        by: user and host, which the trials keep as `enqueued_by`.
    """
    result = EnqueuedTrials()
    for position, params in enumerate(configurations):
        if (number := ledger.number_of(params)) is not None:
            result.known[position] = number
        elif len(ledger) >= budget:
            result.no_room += 1
        else:
            result.numbers.append(len(ledger))
            ledger.enqueue(params, {"enqueued_by": by})
    return result
