"""Trials of a ledger, and the choice of the best ones."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from orchestrator.search.outcome import Outcome

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial


@dataclass(frozen=True)
class LedgerTrial:
    """A trial of a ledger.

    Attributes:
        number: number within its study, from 0.
        params: Optuna's flat parameters.
        attributes: other attributes.
        epochs: objective (validation SRCC, mean over targets) by epoch, counted from 1.
        outcome: None while the trial is unfinished.
        objective: objective of the best epoch; None while unfinished, or if no epoch is finite.
        best_epoch: the epoch of `objective`.
        started: local time at which it was asked for; None if unknown.
        ended: local time at which it ended; None while unfinished.
    """

    number: int
    params: dict[str, Any]
    attributes: dict[str, Any]
    epochs: dict[int, float]
    outcome: Outcome | None
    objective: float | None
    best_epoch: int | None
    started: datetime | None = field(default=None, compare=False, repr=False)
    ended: datetime | None = field(default=None, compare=False, repr=False)

    @property
    def last_epoch(self) -> int | None:
        """Latest epoch; of a pruned or diverged trial, the epoch at which it was stopped."""
        return max(self.epochs, default=None)


def best_of(trials: Iterable[LedgerTrial], k: int) -> list[LedgerTrial]:
    """Return the k best of these trials, as `Ledger.best` ranks them."""
    rank = {Outcome.COMPLETE: 0, Outcome.PRUNED: 1}
    eligible = [trial for trial in trials if trial.outcome in rank and trial.objective is not None]
    chosen: list[LedgerTrial] = []
    for trial in sorted(eligible, key=lambda t: (rank[t.outcome], -t.objective, t.number)):  # type: ignore[index,operator]
        if len(chosen) == k:
            break
        if all(trial.params != other.params for other in chosen):
            chosen.append(trial)
    return chosen


def best_epoch(epochs: Mapping[int, float]) -> tuple[int | None, float | None]:
    """Return the first epoch with the highest finite objective, and that objective; both None if none is finite."""
    finite = {epoch: value for epoch, value in epochs.items() if math.isfinite(value)}
    if not finite:
        return None, None
    epoch = max(finite, key=lambda e: (finite[e], -e))
    return epoch, finite[epoch]


SPLIT = "split"
"""Attribute and, for Optuna's dashboard, parameter of a trial of the study `confirm`."""


def read_trial(trial: FrozenTrial) -> LedgerTrial:
    """Return Optuna's trial as a ledger's trial."""
    attributes = dict(trial.user_attrs)
    finished = trial.state.is_finished()
    stored = attributes.pop("outcome", None)
    outcome = Outcome(stored or Outcome.FAILED) if finished else None
    epoch, objective = best_epoch(trial.intermediate_values)
    return LedgerTrial(
        number=trial.number,
        params={name: value for name, value in trial.params.items() if name != SPLIT or SPLIT not in attributes},
        attributes=attributes,
        epochs=dict(trial.intermediate_values),
        outcome=outcome,
        objective=objective if finished else None,
        best_epoch=epoch if finished else None,
        started=trial.datetime_start,
        ended=trial.datetime_complete,
    )
