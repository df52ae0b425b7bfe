"""Kinds of parameters in a search-space file: value objects that suggest themselves to an Optuna trial."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

Choice = bool | int | float | str


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

    def flat_names(self, name: str) -> set[str]:
        """Return the names that the parameter may have in Optuna."""
        return {name}

    @abstractmethod
    def ends(self) -> tuple[list[Any], list[Any]]:
        """Return the candidate values for the smallest model and for the largest model."""


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
        if self.log and self.low <= 0:
            raise ValueError(f"a log scale needs low > 0, got {self.low}")
        if self.log and self.step not in {None, 1}:
            raise ValueError(f"a log scale has no step, got {self.step}")
        if self.step and not all(_whole((end - self.low) / self.step) for end in (self.default, self.high)):
            raise ValueError(f"default and high must be whole steps of {self.step} above low")
        return self

    def flat_default(self, name: str) -> dict[str, Any]:
        return {name: self.default}

    def ends(self) -> tuple[list[Any], list[Any]]:
        return [self.low], [self.high]


def _whole(steps: float) -> bool:
    return abs(steps - round(steps)) < 1e-8


class FloatParameter(_Number):
    """A real number between `low` and `high`, uniform or, with `log`, uniform in its logarithm."""

    type: Literal["float"]

    def suggest(self, trial: BaseTrial, name: str) -> float:
        return trial.suggest_float(name, self.low, self.high, log=self.log, step=self.step)


class IntParameter(_Number):
    """An integer between `low` and `high`, both included."""

    type: Literal["int"]
    low: int
    high: int
    default: int
    step: int = Field(default=1, ge=1)

    def suggest(self, trial: BaseTrial, name: str) -> int:
        return trial.suggest_int(name, self.low, self.high, log=self.log, step=self.step)


class CategoricalParameter(Parameter):
    """A choice from a list."""

    type: Literal["categorical"]
    choices: list[Choice] = Field(min_length=1)
    default: Choice

    @model_validator(mode="after")
    def _member(self) -> CategoricalParameter:
        if self.default not in self.choices:
            raise ValueError(f"default {self.default!r} is not among the choices {self.choices}")
        return self

    def suggest(self, trial: BaseTrial, name: str) -> Choice:
        return trial.suggest_categorical(name, self.choices)

    def flat_default(self, name: str) -> dict[str, Any]:
        return {name: self.default}

    def ends(self) -> tuple[list[Any], list[Any]]:
        return list(self.choices), list(self.choices)


class WidthsParameter(Parameter):
    """The hidden widths of a target net: a depth, and one width for each of its layers.

    Optuna sees `depth`, `width_1`, `width_2`, …; the model gets the list.
    """

    type: Literal["widths"]
    min_depth: int = Field(ge=1)
    max_depth: int = Field(ge=1)
    low: int = Field(ge=1)
    high: int = Field(ge=1)
    log: bool = True
    default: list[int] = Field(min_length=1)

    @model_validator(mode="after")
    def _ordered(self) -> WidthsParameter:
        if not self.min_depth <= len(self.default) <= self.max_depth:
            raise ValueError(f"default {self.default} has not {self.min_depth} to {self.max_depth} layers")
        if not all(self.low <= width <= self.high for width in self.default):
            raise ValueError(f"default {self.default} is not within {self.low} to {self.high}")
        return self

    def suggest(self, trial: BaseTrial, name: str) -> list[int]:
        depth = trial.suggest_int("depth", self.min_depth, self.max_depth)
        return [trial.suggest_int(f"width_{i}", self.low, self.high, log=self.log) for i in range(1, depth + 1)]

    def flat_default(self, name: str) -> dict[str, Any]:
        widths = {f"width_{i}": width for i, width in enumerate(self.default, 1)}
        return {"depth": len(self.default), **widths}

    def flat_names(self, name: str) -> set[str]:
        """Return `depth` and a width for each possible layer."""
        return {"depth", *(f"width_{i}" for i in range(1, self.max_depth + 1))}

    def ends(self) -> tuple[list[Any], list[Any]]:
        return [[self.low] * self.min_depth], [[self.high] * self.max_depth]


AnyParameter = Annotated[
    FloatParameter | IntParameter | CategoricalParameter | WidthsParameter, Field(discriminator="type")
]
Fixed = bool | int | float | str | list[int] | list[float]


def _is_no_parameter(values: dict[str, float]) -> dict[str, float]:
    if set(values) & {"low", "high", "default", "log", "step", "min_depth", "max_depth"}:
        raise ValueError("a searched value needs a type: float, int, categorical or widths")
    return values


FixedByName = Annotated[dict[str, float], AfterValidator(_is_no_parameter)]
"""Numbers by name, such as the weights of the targets."""
