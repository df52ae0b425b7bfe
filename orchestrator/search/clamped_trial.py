"""Clamp parameters to a search space: keep the values it allows, use its defaults for the rest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from orchestrator.search.optuna_internals import contains

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution


class ClampedTrial:
    """Trial that suggests given values: a value if it is allowed, else the default, else the lowest.

    Args:
        given: Optuna's flat parameters, of this space or of another.
        defaults: the space's defaults.

    Attributes:
        params: suggested values by name.
        kept: names of the given values that were allowed.
    """

    def __init__(self, given: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
        self._given, self._defaults = given, defaults
        self.params: dict[str, Any] = {}
        self.kept: set[str] = set()

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """Suggest a real number, as Optuna's trial does."""
        from optuna.distributions import FloatDistribution

        return self._choose(name, FloatDistribution(low, high, log, step), low)

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        """Suggest an integer, as Optuna's trial does."""
        from optuna.distributions import IntDistribution

        return self._choose(name, IntDistribution(low, high, log, step), low)

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        """Suggest a choice, as Optuna's trial does."""
        from optuna.distributions import CategoricalDistribution

        return self._choose(name, CategoricalDistribution(choices), choices[0])

    def _choose(self, name: str, distribution: BaseDistribution, lowest: Any) -> Any:
        for source in (self._given, self._defaults, {name: lowest}):
            if name in source and (allowed := _allowed(distribution, source[name])):
                (self.params[name],) = allowed
                if source is self._given:
                    self.kept.add(name)
                break
        return self.params[name]


def _allowed(distribution: BaseDistribution, value: Any) -> tuple[Any] | None:
    """Return the value in the distribution's type, in a tuple; None if the distribution does not have it."""
    try:
        internal = distribution.to_internal_repr(value)
        return (distribution.to_external_repr(internal),) if contains(distribution, internal) else None
    except (ValueError, TypeError, OverflowError):
        return None
