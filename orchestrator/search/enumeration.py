"""Enumeration of a search space that has few configurations, and the comparison of configurations."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

from orchestrator.search.parameters import CategoricalParameter, FloatParameter, IntParameter
from orchestrator.search.space import SearchSpace

MOST = 10_000
"""Number of configurations above which a space counts as one that a sweep cannot exhaust."""

_Key = frozenset[tuple[str, Hashable]]


def configuration_key(params: Mapping[str, Any]) -> _Key:
    """Return a key that two configurations share if they are trained alike: numbers agree to 12 digits.

    Example:
        >>> configuration_key({"lr": 0.1 + 0.2}) == configuration_key({"lr": 0.3})
        True
        >>> configuration_key({"flag": True}) == configuration_key({"flag": 1})
        False
    """
    return frozenset((name, _comparable(value)) for name, value in params.items())


def _comparable(value: Any) -> Hashable:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return (type(value).__name__, value)
    return f"{value:.12g}" if isinstance(value, float) else (value if abs(value) > 10**11 else f"{value:.12g}")


def all_configurations(space: SearchSpace, most: int = MOST) -> list[dict[str, Any]] | None:
    """Return every configuration of a space as Optuna's flat parameters; None if there are more than `most`.

    Example:
        >>> batch_size = {"type": "categorical", "choices": [16, 32], "default": 16}
        >>> all_configurations(SearchSpace(training={"batch_size": batch_size}))
        [{'batch_size': 16}, {'batch_size': 32}]
    """
    if _fewest(space) > most:
        return None
    found: dict[_Key, dict[str, Any]] = {}
    path: list[int] | None = []
    while path is not None:
        trial = _Path(path, most)
        try:
            space.suggest(trial)
        except _TooMany:
            return None
        found.setdefault(configuration_key(trial.params), trial.params)
        if len(found) > most:
            return None
        path = trial.next_path()
    return list(found.values())


def _fewest(space: SearchSpace) -> float:
    """Return a lower bound of the number of configurations: the product over parameters without a condition."""
    sizes = [_size(parameter) for parameter in space.parameters().values() if not parameter.when]
    return math.prod(sizes)


def _size(parameter: Any) -> float:
    if isinstance(parameter, CategoricalParameter):
        return len({_comparable(choice) for choice in parameter.choices})
    if isinstance(parameter, IntParameter):
        return (parameter.high - parameter.low) // parameter.step + 1
    if isinstance(parameter, FloatParameter):
        return _grid(parameter.low, parameter.high, parameter.step)[0]
    return 1


def _grid(low: float, high: float, step: float | None) -> tuple[float, float]:
    """Return the number of values of a real parameter and the last one, which Optuna decides on."""
    from optuna.distributions import FloatDistribution

    if low == high:
        return 1, low
    if step is None:
        return math.inf, high
    with warnings.catch_warnings(action="ignore"):  # high is not a whole number of steps above low in its arithmetic
        last = FloatDistribution(low, high, step=step).high
    return math.floor((last - low) / step + 1e-8) + 1, last


class _TooMany(Exception):
    """A parameter has more values than are to be enumerated."""


class _Path:
    """Trial that follows a path through the tree of a space's values: the n-th suggestion takes its path[n]-th value.

    Attributes:
        params: suggested values by name.
    """

    def __init__(self, path: Sequence[int], most: int) -> None:
        self._path, self._most = list(path), most
        self._sizes: list[int] = []
        self.params: dict[str, Any] = {}

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """Suggest a number of a grid."""
        size, last = _grid(low, high, step)
        return self._take(name, size, lambda index: min(last, index * (step or 0) + low))

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        """Suggest a whole number."""
        return self._take(name, (high - low) // step + 1, lambda index: low + index * step)

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """Suggest a choice."""
        return self._take(name, len(choices), lambda index: choices[index])

    def _take(self, name: str, size: float, value_of: Callable[[int], Any]) -> Any:
        if size > self._most:
            raise _TooMany
        if len(self._sizes) == len(self._path):
            self._path.append(0)
        self.params[name] = value_of(self._path[len(self._sizes)])
        self._sizes.append(int(size))
        return self.params[name]

    def next_path(self) -> list[int] | None:
        """Return the path to the next configuration, None after the last one."""
        for place in reversed(range(len(self._sizes))):
            if self._path[place] + 1 < self._sizes[place]:
                return [*self._path[:place], self._path[place] + 1]
        return None
