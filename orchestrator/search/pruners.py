"""Pruners by name: when a trial is stopped early."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from orchestrator.core.lookup import look_up

if TYPE_CHECKING:
    from optuna.pruners import BasePruner


def halving(epochs: int) -> BasePruner:
    """Asynchronous successive halving: a third goes on at each rung, the first rung at a fifth of the epochs.

    Optuna's own defaults start at epoch 1, where hypernets still look alike.
    """
    from orchestrator.search.successive_halving import CachedSuccessiveHalvingPruner

    return CachedSuccessiveHalvingPruner(min_resource=_first_rung(epochs), reduction_factor=3)


def hyperband(epochs: int) -> BasePruner:
    """Several halvings side by side, some of which let slow starters live longer."""
    from optuna.pruners import HyperbandPruner

    return HyperbandPruner(min_resource=_first_rung(epochs), max_resource=epochs, reduction_factor=3)


def median(epochs: int) -> BasePruner:
    """Stops what is below the median of earlier trials at the same epoch."""
    from optuna.pruners import MedianPruner

    return MedianPruner(n_startup_trials=4, n_warmup_steps=_first_rung(epochs) - 1)


def none(epochs: int) -> BasePruner:
    """Every trial trains to its last epoch."""
    from optuna.pruners import NopPruner

    return NopPruner()


def _first_rung(epochs: int) -> int:
    return max(1, round(epochs / 5))


PRUNERS: dict[str, Callable[[int], BasePruner]] = {
    "halving": halving,
    "hyperband": hyperband,
    "median": median,
    "none": none,
}


def build_pruner(name: str, epochs: int) -> BasePruner:
    """The pruner of that name for trials of `epochs` epochs; raises InputError for an unknown one."""
    return look_up("pruner", name, PRUNERS)(epochs)
