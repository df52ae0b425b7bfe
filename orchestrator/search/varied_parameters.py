"""Parameters that a search varies, as people read them: learning rates first, each next to its default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.search.space import Configuration, SearchSpace


@dataclass(frozen=True)
class VariedParameter:
    """A searched parameter of one configuration.

    Attributes:
        name: its name in the search space.
        value: its value; a list for a parameter of type widths.
        default: its default; None if the default configuration has no such parameter.
    """

    name: str
    value: Any
    default: Any

    @property
    def differs(self) -> bool:
        """True if the value is not the default."""
        return bool(self.value != self.default)


def varied_parameters(space: SearchSpace, params: Mapping[str, Any]) -> list[VariedParameter]:
    """Return the searched parameters of a configuration, learning rates first, then in the order of the space.

    Args:
        space: search space of the configuration.
        params: Optuna's flat parameters.

    Raises:
        InputError: the parameters do not fit the space.
    """
    values, defaults = (_values(space.configuration(flat, in_range=False)) for flat in (params, space.default_params()))
    names = sorted((name for name in space.parameters() if name in values), key=_not_a_learning_rate)
    return [VariedParameter(name, values[name], defaults.get(name)) for name in names]


def format_value(value: Any) -> str:
    """Return a parameter's value as short text, with three significant digits for a float.

    Example:
        >>> format_value(0.00123456), format_value([128, 64]), format_value("huber")
        ('0.00123', '[128, 64]', 'huber')
    """
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _not_a_learning_rate(name: str) -> bool:
    return "lr" not in name.split("_")


def _values(configuration: Configuration) -> dict[str, Any]:
    return {**configuration.model, **configuration.training, **configuration.backbone}
