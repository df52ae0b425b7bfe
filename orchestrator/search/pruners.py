"""Pruners by name: when a trial is stopped early."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from models.name_registry import Registry
from orchestrator.core.near_matches import look_up

if TYPE_CHECKING:
    from optuna.pruners import BasePruner

PRUNERS: Registry[Callable[[int], BasePruner]] = Registry("pruner")
"""All pruners; a new one is a function here under `@PRUNERS.register`."""


@PRUNERS.register
def halving(epochs: int) -> BasePruner:
    """Return asynchronous successive halving: a third continues at each rung, the first at a fifth of the epochs.

    Optuna's own defaults start at epoch 1, when hypernets still perform alike.
    """
    from orchestrator.search.successive_halving import CachedSuccessiveHalvingPruner

    return CachedSuccessiveHalvingPruner(min_resource=_first_rung(epochs), reduction_factor=3)


@PRUNERS.register
def hyperband(epochs: int) -> BasePruner:
    """Return several halvings in parallel, some of which prune later."""
    from optuna.pruners import HyperbandPruner

    return HyperbandPruner(min_resource=_first_rung(epochs), max_resource=epochs, reduction_factor=3)


@PRUNERS.register
def median(epochs: int) -> BasePruner:
    """Return a pruner of trials below the median of earlier trials at the same epoch."""
    from optuna.pruners import MedianPruner

    return MedianPruner(n_startup_trials=4, n_warmup_steps=_first_rung(epochs) - 1)


@PRUNERS.register
def none(epochs: int) -> BasePruner:
    """Return a pruner that stops no trial."""
    from optuna.pruners import NopPruner

    return NopPruner()


def _first_rung(epochs: int) -> int:
    return max(1, round(epochs / 5))


def list_pruners() -> list[str]:
    """Return the names of all pruners, sorted."""
    return PRUNERS.names()


def build_pruner(name: str, epochs: int) -> BasePruner:
    """Build a pruner by name, for trials of `epochs` epochs.

    Raises:
        InputError: No pruner has that name.
    """
    return look_up(PRUNERS, name)(epochs)
