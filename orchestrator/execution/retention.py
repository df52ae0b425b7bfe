"""Retention of checkpoints by a rule and a budget of bytes; parts that are still needed always stay."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from orchestrator.execution.job import Study
from orchestrator.search.outcome import Outcome

Kept = Literal["last", "best", "spare", "model"]
"""Last epoch's state, best epoch's model, tensors of the previous save, and a confirm run's exported model."""

_RANK = {Outcome.COMPLETE: 0, Outcome.PRUNED: 1}


@dataclass(frozen=True)
class RetentionPolicy:
    """Parts that are kept of trials that have ended; unfinished trials keep all parts.

    Attributes:
        what: "all": last epoch's state and best epoch's model. "last": the last epoch's state. "best": the best
            epoch's model of the `k` best trials of the search and of the control's search. "none": nothing.
            Exported models of confirm runs are kept; under "none" only those that represent a configuration.
        k: number of trials, for "best".
    """

    what: Literal["all", "last", "best", "none"]
    k: int = 0

    @classmethod
    def parse(cls, text: str) -> RetentionPolicy:
        """Read `best:3`, `last`, `all` or `none`; raise ValueError for any other text."""
        if text in {"all", "last", "none"}:
            return cls(text)  # type: ignore[arg-type]
        if match := re.fullmatch(r"best:([1-9]\d*)", text):
            return cls("best", int(match[1]))
        raise ValueError("it must be best:K (such as best:3), last, all or none")


@dataclass(frozen=True)
class TrialCheckpoint:
    """A trial and the bytes of its parts.

    Attributes:
        outcome: None if unfinished.
        objective: of its best epoch; None if no epoch was finite.
        params: of its configuration; trials with equal parameters count once among the best.
        needed: whether its exported model represents a configuration, or may do so later.
        sizes: bytes by part.
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
    """The k best ended trials of a search with distinct parameters, updated as trials end.

    Ranks equal those of `removable`: a trial that better trials have displaced never returns.
    """

    def __init__(self, k: int) -> None:
        self._k = k
        self._best: list[tuple[tuple[int, float, int], str]] = []

    def add(self, trial: TrialCheckpoint) -> None:
        """Add a trial; ignore it if it is unfinished or has no objective."""
        if not _is_ranked(trial):
            return
        params = _hashable_params(trial)
        equal = [entry for entry in self._best if entry[1] == params]
        if not equal or _order(trial) < equal[0][0]:
            self._best = sorted([*(entry for entry in self._best if entry not in equal), (_order(trial), params)])[
                : self._k
            ]

    def has_room_for(self, trial: TrialCheckpoint) -> bool:
        """Return whether the trial is, or would be, among the best."""
        if not _is_ranked(trial):
            return False
        better = [params for order, params in self._best if order < _order(trial)]
        return len(better) < self._k and _hashable_params(trial) not in better


def removable(
    holdings: Sequence[TrialCheckpoint], rule: RetentionPolicy, budget: int | None = None
) -> dict[str, frozenset[Kept]]:
    """Return the parts to remove, by trial: all that the rule does not keep, then more until the rest fits the budget.

    For the budget, last states go first, then exported models that represent no configuration, then best models. Within
    each group the worst trials go first. Unfinished trials and needed models stay even if they exceed the budget.
    """
    ranks = _ranking(holdings)
    going: dict[str, set[Kept]] = {}
    left: list[tuple[tuple[int, float, str], TrialCheckpoint, Kept]] = []
    total = 0
    for holding in holdings:
        kept = _kept(holding, rule, ranks[holding.key])
        for part, size in holding.sizes.items():
            if part not in kept:
                going.setdefault(holding.key, set()).add(part)
                continue
            total += size
            if holding.outcome is not None and not (part == "model" and holding.needed):
                left.append(((_WORTH[part], -ranks[holding.key], holding.key), holding, part))
    if budget is not None:
        for _, holding, part in sorted(left, key=lambda entry: entry[0]):
            if total <= budget:
                break
            going.setdefault(holding.key, set()).add(part)
            total -= holding.sizes[part]
    return {key: frozenset(parts) for key, parts in going.items()}


_WORTH: dict[Kept, int] = {"spare": 0, "last": 1, "model": 2, "best": 3}


def _kept(holding: TrialCheckpoint, rule: RetentionPolicy, rank: float) -> set[Kept]:
    if holding.outcome is None:
        return {"last", "best", "spare", "model"}
    kept: set[Kept] = set()
    if rule.what in {"all", "last"}:
        kept |= {"last"}
    # A confirm run's best epoch is its exported model.
    if rule.what == "all" or (rule.what == "best" and holding.study != "confirm" and rank < rule.k):
        kept |= {"best"}
    if rule.what != "none" or holding.needed:
        kept |= {"model"}
    return kept


def _ranking(holdings: Iterable[TrialCheckpoint]) -> dict[str, float]:
    """Return each trial's rank in its study, from 0, as `Ledger.best` ranks them; infinity for unranked trials."""
    ranks: dict[str, float] = {}
    studies: dict[Study, list[TrialCheckpoint]] = {}
    for holding in holdings:
        ranks[holding.key] = math.inf
        if _is_ranked(holding):
            studies.setdefault(holding.study, []).append(holding)
    for study, ended in studies.items():
        seen: set[str] = set()
        for trial in sorted(ended, key=_order):
            params = trial.key if study == "confirm" else _hashable_params(trial)
            if params not in seen:
                ranks[trial.key] = len(seen)
                seen.add(params)
    return ranks


def _is_ranked(holding: TrialCheckpoint) -> bool:
    return holding.outcome in _RANK and holding.objective is not None


def _order(holding: TrialCheckpoint) -> tuple[int, float, int]:
    return (_RANK[holding.outcome], -holding.objective, holding.number)  # type: ignore[index,operator]


def _hashable_params(holding: TrialCheckpoint) -> str:
    """Return a text that is equal for equal parameters."""
    return repr(sorted(holding.params.items()))
