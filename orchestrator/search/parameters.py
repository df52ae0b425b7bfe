"""Kinds of parameters in a search-space file: value objects that suggest themselves to an Optuna trial."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from orchestrator.core.validation_reason import shown

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import BaseTrial

LARGEST_INTEGER = 2**53
"""Largest whole number that a float, and so Optuna's samplers and databases, hold exactly."""

DEEPEST, WIDEST = 64, 10**6
"""Most layers of a target net, and the largest width of one."""


def _single(value: Any) -> Any:
    if value is None or not isinstance(value, bool | int | float | str):
        raise ValueError(f"must be a number, a word, true or false, not {shown(value)}")
    return _finite(value)


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"must be finite, not {shown(value)}")
    return value


Choice = Annotated[bool | int | float | str, BeforeValidator(_single)]


class Parameter(BaseModel, ABC):
    """A searched parameter: its distribution, its default, and the condition under which it exists."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    when: dict[str, list[Choice]] = Field(default_factory=dict)

    @abstractmethod
    def suggest(self, trial: BaseTrial, name: str) -> Any:
        """Return the trial's value of this parameter, by Optuna's define-by-run interface."""

    @abstractmethod
    def flat_default(self, name: str) -> dict[str, Any]:
        """Return the default as Optuna's flat parameters, to be enqueued as the first trial."""

    @abstractmethod
    def distribution(self) -> BaseDistribution:
        """Return Optuna's distribution; raise ValueError if Optuna refuses it."""

    def flat_names(self, name: str) -> set[str]:
        """Return the names that the parameter may have in Optuna."""
        return {name}

    @abstractmethod
    def ends(self) -> tuple[list[Any], list[Any]]:
        """Return the candidate values for the smallest model and for the largest model."""

    def has(self, value: Choice) -> bool:
        """Return whether the parameter can have a value."""
        from orchestrator.search.optuna_internals import contains

        distribution = self.distribution()
        try:
            return contains(distribution, distribution.to_internal_repr(value))
        except (ValueError, TypeError, OverflowError):
            return False


class _Number(Parameter):
    low: float
    high: float
    log: bool = False
    step: float | None = Field(default=None, gt=0)
    default: float

    @model_validator(mode="after")
    def _ordered(self) -> _Number:
        if not self.low <= self.default <= self.high:
            raise ValueError(f"needs low <= default <= high, got {self.low}, {self.default}, {self.high}")
        if not math.isfinite(float(self.high) - float(self.low)):
            raise ValueError(f"the range from {self.low} to {self.high} is wider than the largest number")
        if self.log and self.low <= 0:
            raise ValueError(f"a log scale needs low > 0, got {self.low}")
        if self.log and self.step not in {None, 1}:
            raise ValueError(f"a log scale has no step, got {self.step}")
        if self.step and not all(_whole((end - self.low) / self.step) for end in (self.default, self.high)):
            raise ValueError(f"default and high must be whole steps of {self.step} above low")
        _built(self)
        return self

    def flat_default(self, name: str) -> dict[str, Any]:
        return {name: self.default}

    def ends(self) -> tuple[list[Any], list[Any]]:
        return [self.low], [self.high]


def _whole(steps: float) -> bool:
    return math.isfinite(steps) and abs(steps - round(steps)) < 1e-8


def _built(parameter: Parameter) -> None:
    """Build the distribution as Optuna does when it samples, so that a space that is read can be sampled."""
    try:
        parameter.distribution()
    except OverflowError as error:
        raise ValueError(f"Optuna refuses the range: {error}") from error
    except ValueError as error:
        text = str(error).replace("`", "").rstrip(".")
        raise ValueError("a log scale has no step" if "step" in text and "log" in text else text) from error


class FloatParameter(_Number):
    """A real number between `low` and `high`, uniform or, with `log`, uniform in its logarithm."""

    type: Literal["float"]

    def suggest(self, trial: BaseTrial, name: str) -> float:
        return trial.suggest_float(name, self.low, self.high, log=self.log, step=self.step)

    def distribution(self) -> BaseDistribution:
        from optuna.distributions import FloatDistribution

        return FloatDistribution(self.low, self.high, self.log, self.step)


_Whole = Annotated[int, Field(ge=-LARGEST_INTEGER, le=LARGEST_INTEGER)]


class IntParameter(_Number):
    """An integer between `low` and `high`, both included."""

    type: Literal["int"]
    low: _Whole
    high: _Whole
    default: _Whole
    step: int = Field(default=1, ge=1, le=LARGEST_INTEGER)

    def suggest(self, trial: BaseTrial, name: str) -> int:
        return trial.suggest_int(name, self.low, self.high, log=self.log, step=self.step)

    def distribution(self) -> BaseDistribution:
        from optuna.distributions import IntDistribution

        return IntDistribution(self.low, self.high, self.log, self.step)


class CategoricalParameter(Parameter):
    """A choice from a list."""

    type: Literal["categorical"]
    choices: list[Choice] = Field(min_length=1)
    default: Choice

    @model_validator(mode="after")
    def _member(self) -> CategoricalParameter:
        if self.default not in self.choices:
            raise ValueError(f"default {shown(self.default)} is not among the choices {shown(self.choices)}")
        return self

    def suggest(self, trial: BaseTrial, name: str) -> Choice:
        return trial.suggest_categorical(name, self.choices)

    def distribution(self) -> BaseDistribution:
        from optuna.distributions import CategoricalDistribution

        return CategoricalDistribution(self.choices)

    def flat_default(self, name: str) -> dict[str, Any]:
        return {name: self.default}

    def ends(self) -> tuple[list[Any], list[Any]]:
        return list(self.choices), list(self.choices)


_Layers = Annotated[int, Field(ge=1, le=DEEPEST)]
_Width = Annotated[int, Field(ge=1, le=WIDEST)]


class WidthsParameter(Parameter):
    """The hidden widths of a target net: a depth, and one width for each of its layers.

    Optuna sees `depth`, `width_1`, `width_2`, …; the model gets the list.
    """

    type: Literal["widths"]
    min_depth: _Layers
    max_depth: _Layers
    low: _Width
    high: _Width
    log: bool = True
    default: list[int] = Field(min_length=1)

    @model_validator(mode="after")
    def _ordered(self) -> WidthsParameter:
        if self.min_depth > self.max_depth:
            raise ValueError(f"needs min_depth <= max_depth, got {self.min_depth}, {self.max_depth}")
        if self.low > self.high:
            raise ValueError(f"needs low <= high, got {self.low}, {self.high}")
        if not self.min_depth <= len(self.default) <= self.max_depth:
            raise ValueError(f"default {shown(self.default)} has not {self.min_depth} to {self.max_depth} layers")
        if not all(self.low <= width <= self.high for width in self.default):
            raise ValueError(f"default {shown(self.default)} is not within {self.low} to {self.high}")
        _built(self)
        return self

    def suggest(self, trial: BaseTrial, name: str) -> list[int]:
        depth = trial.suggest_int("depth", self.min_depth, self.max_depth)
        return [trial.suggest_int(f"width_{i}", self.low, self.high, log=self.log) for i in range(1, depth + 1)]

    def distribution(self) -> BaseDistribution:
        """Return Optuna's distribution of one width."""
        from optuna.distributions import IntDistribution

        return IntDistribution(self.low, self.high, self.log)

    def flat_default(self, name: str) -> dict[str, Any]:
        widths = {f"width_{i}": width for i, width in enumerate(self.default, 1)}
        return {"depth": len(self.default), **widths}

    def flat_names(self, name: str) -> set[str]:
        """Return `depth` and a width for each possible layer."""
        return {"depth", *(f"width_{i}" for i in range(1, self.max_depth + 1))}

    def ends(self) -> tuple[list[Any], list[Any]]:
        return [[self.low] * self.min_depth], [[self.high] * self.max_depth]

    def has(self, value: Choice) -> bool:
        """Return False: widths are a list, and a condition is on a single value."""
        return False


AnyParameter = Annotated[
    FloatParameter | IntParameter | CategoricalParameter | WidthsParameter, Field(discriminator="type")
]
