"""Taking from given parameters what a space has room for, its defaults for the rest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from orchestrator.search.optuna_internals import contains

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution


class ClampedTrial:
    """Answers a space's suggestions: a given value where it is allowed, else the default, else the lowest.

    Args:
        given: Optuna's flat parameters, of this space or of another.
        defaults: the space's own.

    Attributes:
        params: what was answered, by name.
        taken: names of the given values that were allowed.
    """

    def __init__(self, given: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
        self._given, self._defaults = given, defaults
        self.params: dict[str, Any] = {}
        self.taken: set[str] = set()

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """As Optuna's trial has it."""
        from optuna.distributions import FloatDistribution

        return self._choose(name, FloatDistribution(low, high, log, step), low)

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        """As Optuna's trial has it."""
        from optuna.distributions import IntDistribution

        return self._choose(name, IntDistribution(low, high, log, step), low)

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        """As Optuna's trial has it."""
        from optuna.distributions import CategoricalDistribution

        return self._choose(name, CategoricalDistribution(choices), choices[0])

    def _choose(self, name: str, distribution: BaseDistribution, lowest: Any) -> Any:
        for source in (self._given, self._defaults, {name: lowest}):
            if name in source and (allowed := _allowed(distribution, source[name])):
                (self.params[name],) = allowed
                if source is self._given:
                    self.taken.add(name)
                break
        return self.params[name]


def _allowed(distribution: BaseDistribution, value: Any) -> tuple[Any] | None:
    """The value as the distribution's own type, in a tuple; None where it is not one of the distribution's."""
    try:
        internal = distribution.to_internal_repr(value)
        return (distribution.to_external_repr(internal),) if contains(distribution, internal) else None
    except (ValueError, TypeError):
        return None
