"""A trial as the ledger knows it, and which of several are the best."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestrator.search.outcome import Outcome

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial


@dataclass(frozen=True)
class LedgerTrial:
    """What the ledger knows of one trial.

    Attributes:
        number: counts from 0 within its study.
        params: Optuna's flat parameters.
        attributes: what was noted beside them.
        epochs: objective (validation SRCC, mean over targets) by epoch, counted from 1.
        outcome: None while the trial is unfinished.
        objective: the best epoch's, None while unfinished or where no epoch was finite.
        best_epoch: the epoch of `objective`.
    """

    number: int
    params: dict[str, Any]
    attributes: dict[str, Any]
    epochs: dict[int, float]
    outcome: Outcome | None
    objective: float | None
    best_epoch: int | None

    @property
    def last_epoch(self) -> int | None:
        """The latest epoch noted: of a pruned or diverged trial, the one at which it was stopped."""
        return max(self.epochs, default=None)


def best_of(trials: Iterable[LedgerTrial], k: int) -> list[LedgerTrial]:
    """The k best of these trials, as `Ledger.best` ranks them."""
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
    """The first epoch with the highest finite objective, and that objective; NaN never wins."""
    finite = {epoch: value for epoch, value in epochs.items() if math.isfinite(value)}
    if not finite:
        return None, None
    epoch = max(finite, key=lambda e: (finite[e], -e))
    return epoch, finite[epoch]


def read_trial(trial: FrozenTrial) -> LedgerTrial:
    """Optuna's trial as the ledger's."""
    attributes = dict(trial.user_attrs)
    finished = trial.state.is_finished()
    noted = attributes.pop("outcome", None)
    outcome = Outcome(noted or Outcome.FAILED) if finished else None
    epoch, objective = best_epoch(trial.intermediate_values)
    return LedgerTrial(
        number=trial.number,
        params=dict(trial.params),
        attributes=attributes,
        epochs=dict(trial.intermediate_values),
        outcome=outcome,
        objective=objective if finished else None,
        best_epoch=epoch if finished else None,
    )
