"""Samplers by name: how the next configuration of a search is chosen."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

from models.name_registry import Registry
from orchestrator.core.near_matches import look_up

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

TPE_HISTORY = 500
"""Number of ended trials that TPE models, the newest, in addition to the 25 best of all and the running ones."""

SAMPLERS: Registry[Callable[[int], BaseSampler]] = Registry("sampler")
"""All samplers; a new one is a function here under `@SAMPLERS.register`."""


@SAMPLERS.register
def tpe(seed: int, history: int = TPE_HISTORY) -> BaseSampler:
    """Return multivariate tree-structured Parzen estimators, grouped so that each depth has its own model of widths."""
    from optuna.samplers import TPESampler

    from orchestrator.search.windowed_sampler import WindowedSampler

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # `group` is marked experimental
        sampler = TPESampler(seed=seed, multivariate=True, group=True, constant_liar=True, n_startup_trials=6)
    return WindowedSampler(sampler, newest=history)


@SAMPLERS.register
def random(seed: int) -> BaseSampler:
    """Return independent draws, the reference for the other samplers."""
    from optuna.samplers import RandomSampler

    return RandomSampler(seed=seed)


@SAMPLERS.register
def gp(seed: int) -> BaseSampler:
    """Return a Gaussian process with log expected improvement, for few and expensive trials."""
    from optuna.samplers import GPSampler

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return GPSampler(seed=seed, deterministic_objective=False)


@SAMPLERS.register
def cmaes(seed: int) -> BaseSampler:
    """Return covariance matrix adaptation over numbers; categories and conditional widths are drawn at random."""
    from optuna.samplers import CmaEsSampler

    return CmaEsSampler(seed=seed, warn_independent_sampling=False)


def list_samplers() -> list[str]:
    """Return the names of all samplers, sorted."""
    return SAMPLERS.names()


def build_sampler(name: str, seed: int) -> BaseSampler:
    """Build a sampler by name.

    Raises:
        InputError: No sampler has that name.
    """
    return look_up(SAMPLERS, name)(seed % 2**32)  # NumPy's generators take 32 bits
