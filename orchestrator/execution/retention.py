"""Which checkpoints may go: a rule, a budget of bytes, and never what somebody still needs."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from orchestrator.execution.job import Study
from orchestrator.search.outcome import Outcome

Kept = Literal["last", "best", "spare", "model"]
"""Last epoch's state, best epoch's model, tensors of the save before, and a confirm run's exported model."""

_RANK = {Outcome.COMPLETE: 0, Outcome.PRUNED: 1}


@dataclass(frozen=True)
class RetentionPolicy:
    """What is kept of trials that have ended; of those that have not, everything is.

    Attributes:
        what: "all": last epoch's state and best epoch's model. "last": the last epoch's state. "best": the best
            epoch's model of the `k` best trials of the search and of the control's. "none": nothing.
            Exported models of confirm runs stay, under "none" only those that stand for a configuration.
        k: how many, for "best".
    """

    what: Literal["all", "last", "best", "none"]
    k: int = 0

    @classmethod
    def parse(cls, text: str) -> RetentionPolicy:
        """A rule as people write it: `best:3`, `last`, `all`, `none`; raises ValueError on anything else."""
        if text in {"all", "last", "none"}:
            return cls(text)  # type: ignore[arg-type]
        if match := re.fullmatch(r"best:([1-9]\d*)", text):
            return cls("best", int(match[1]))
        raise ValueError("it must be best:K (such as best:3), last, all or none")


@dataclass(frozen=True)
class TrialCheckpoint:
    """A trial and the bytes that its folder holds.

    Attributes:
        outcome: None while it is unfinished.
        objective: its best epoch's; None where no epoch was finite.
        params: of its configuration; equal ones count once among the best.
        needed: its exported model stands for a configuration, or may come to.
        sizes: bytes by what they are for.
    """

    key: str
    study: Study
    number: int
    outcome: Outcome | None
    objective: float | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    needed: bool = False
    sizes: Mapping[Kept, int] = field(default_factory=dict)


class TopK:
    """The k best ended trials of a search, distinct in their parameters, as trials end one by one.

    Places are those of `removable`: a trial that has lost its place to better ones never gets it back.
    """

    def __init__(self, k: int) -> None:
        self._k = k
        self._best: list[tuple[tuple[int, float, int], str]] = []

    def add(self, trial: TrialCheckpoint) -> None:
        """Takes in a trial that has ended; one that has not, or has no objective, has no place."""
        if not _ranks(trial):
            return
        params = _spelled(trial)
        rivals = [one for one in self._best if one[1] == params]
        if not rivals or _order(trial) < rivals[0][0]:
            self._best = sorted([*(one for one in self._best if one not in rivals), (_order(trial), params)])[: self._k]

    def has_room_for(self, trial: TrialCheckpoint) -> bool:
        """Whether the trial is, or would be, among them."""
        if not _ranks(trial):
            return False
        better = [params for order, params in self._best if order < _order(trial)]
        return len(better) < self._k and _spelled(trial) not in better


def removable(
    holdings: Sequence[TrialCheckpoint], rule: RetentionPolicy, budget: int | None = None
) -> dict[str, frozenset[Kept]]:
    """What may go, by trial: all that the rule does not keep, then the least worth until the rest fits the budget.

    Least worth are last states, then exported models that stand for nothing, then best models; among them those of
    the worst trials. Unfinished trials and needed models stay even where they alone are over the budget.
    """
    places = _places(holdings)
    going: dict[str, set[Kept]] = {}
    left: list[tuple[tuple[int, float, str], TrialCheckpoint, Kept]] = []
    total = 0
    for holding in holdings:
        kept = _kept(holding, rule, places[holding.key])
        for part, size in holding.sizes.items():
            if part not in kept:
                going.setdefault(holding.key, set()).add(part)
                continue
            total += size
            if holding.outcome is not None and not (part == "model" and holding.needed):
                left.append(((_WORTH[part], -places[holding.key], holding.key), holding, part))
    if budget is not None:
        for _, holding, part in sorted(left, key=lambda one: one[0]):
            if total <= budget:
                break
            going.setdefault(holding.key, set()).add(part)
            total -= holding.sizes[part]
    return {key: frozenset(parts) for key, parts in going.items()}


_WORTH: dict[Kept, int] = {"spare": 0, "last": 1, "model": 2, "best": 3}


def _kept(holding: TrialCheckpoint, rule: RetentionPolicy, place: float) -> set[Kept]:
    if holding.outcome is None:
        return {"last", "best", "spare", "model"}
    kept: set[Kept] = set()
    if rule.what in {"all", "last"}:
        kept |= {"last"}
    # A confirm run's best epoch is its exported model.
    if rule.what == "all" or (rule.what == "best" and holding.study != "confirm" and place < rule.k):
        kept |= {"best"}
    if rule.what != "none" or holding.needed:
        kept |= {"model"}
    return kept


def _places(holdings: Iterable[TrialCheckpoint]) -> dict[str, float]:
    """Each trial's place in its study, from 0, as `Ledger.best` ranks them; infinite where it has none."""
    places: dict[str, float] = {}
    studies: dict[Study, list[TrialCheckpoint]] = {}
    for holding in holdings:
        places[holding.key] = math.inf
        if _ranks(holding):
            studies.setdefault(holding.study, []).append(holding)
    for study, ended in studies.items():
        seen: set[str] = set()
        for one in sorted(ended, key=_order):
            params = one.key if study == "confirm" else _spelled(one)
            if params not in seen:
                places[one.key] = len(seen)
                seen.add(params)
    return places


def _ranks(holding: TrialCheckpoint) -> bool:
    return holding.outcome in _RANK and holding.objective is not None


def _order(holding: TrialCheckpoint) -> tuple[int, float, int]:
    return (_RANK[holding.outcome], -holding.objective, holding.number)  # type: ignore[index,operator]


def _spelled(holding: TrialCheckpoint) -> str:
    """Hashable, and the same for the same parameters, whatever they are."""
    return repr(sorted(holding.params.items()))
