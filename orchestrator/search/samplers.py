"""Samplers by name: how the next configuration is chosen."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

from orchestrator.core.lookup import look_up

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

TPE_HISTORY = 500
"""So many ended trials TPE looks at, the newest, beside the 25 best of all and those that run."""


def tpe(seed: int, history: int = TPE_HISTORY) -> BaseSampler:
    """Multivariate tree-structured Parzen estimators, grouped so that widths are modelled at their own depth."""
    from optuna.samplers import TPESampler

    from orchestrator.search.windowed_sampler import WindowedSampler

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # `group` is marked experimental
        sampler = TPESampler(seed=seed, multivariate=True, group=True, constant_liar=True, n_startup_trials=6)
    return WindowedSampler(sampler, newest=history)


def random(seed: int) -> BaseSampler:
    """Independent draws: the yardstick for the others."""
    from optuna.samplers import RandomSampler

    return RandomSampler(seed=seed)


def gp(seed: int) -> BaseSampler:
    """A Gaussian process with log expected improvement: for few, dear trials."""
    from optuna.samplers import GPSampler

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return GPSampler(seed=seed, deterministic_objective=False)


def cmaes(seed: int) -> BaseSampler:
    """Covariance matrix adaptation over the numbers; categories and conditional widths are drawn at random."""
    from optuna.samplers import CmaEsSampler

    return CmaEsSampler(seed=seed, warn_independent_sampling=False)


SAMPLERS: dict[str, Callable[[int], BaseSampler]] = {
    "tpe": tpe,
    "random": random,
    "gp": gp,
    "cmaes": cmaes,
}


def build_sampler(name: str, seed: int) -> BaseSampler:
    """The sampler of that name; raises InputError for an unknown one."""
    return look_up("sampler", name, SAMPLERS)(seed)
