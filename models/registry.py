"""The registry of variants: plain functions that build a model, found by their names."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from models.hypernet import HyperNet
from models.naming import UnknownNameError
from models.scoring import ScoringModel

__all__ = [
    "UnknownNameError",
    "VariantInfo",
    "build_variant",
    "list_variants",
    "register_variant",
    "variant_info",
]

Builder = Callable[..., ScoringModel]
CONTROL = "plain_head"


@dataclass(frozen=True)
class VariantInfo:
    """What there is to know about a variant before it is built.

    Attributes:
        name: The name it is asked for by.
        hypernet_sees: Features that condition the hypernet.
        target_net_sees: Features that the target net's input is made of.
        targets: The scores it is made for, or None for any.
        summary: First line of its description.
        parameters: Its keyword parameters with their defaults.
    """

    name: str
    hypernet_sees: tuple[str, ...]
    target_net_sees: tuple[str, ...]
    targets: tuple[str, ...] | None
    summary: str
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def reads(self) -> tuple[str, ...]:
        """Features that it may read, whatever its parameters."""
        return tuple(dict.fromkeys((*self.hypernet_sees, *self.target_net_sees)))

    @property
    def hypernet_parameters(self) -> tuple[str, ...]:
        """Those of its parameters that are the hypernet's own, which its control lacks."""
        return tuple(name for name in self.parameters if name in _HYPERNET_KEYS)


_HYPERNET_KEYS = frozenset(
    name
    for name, parameter in inspect.signature(HyperNet.__init__).parameters.items()
    if parameter.kind is inspect.Parameter.KEYWORD_ONLY
)
_BUILDERS: dict[str, tuple[VariantInfo, Builder]] = {}


def register_variant(
    *, hypernet_sees: tuple[str, ...], target_net_sees: tuple[str, ...], targets: tuple[str, ...] | None
) -> Callable[[Builder], Builder]:
    """Register the decorated function under its own name.

    The function takes `shapes` (name of a feature → its shape without the batch) and `n_targets`, then
    keyword-only parameters, every one with a default, and returns a ScoringModel. Those of a hypernet have
    the names that `HyperNet` gives them, and `generation="none"` builds the model without it.
    """

    def register(builder: Builder) -> Builder:
        name = builder.__name__
        parameters = {
            key: parameter.default
            for key, parameter in inspect.signature(builder).parameters.items()
            if parameter.kind is inspect.Parameter.KEYWORD_ONLY
        }
        summary = (inspect.getdoc(builder) or "").partition("\n")[0]
        info = VariantInfo(name, hypernet_sees, target_net_sees, targets, summary, parameters)
        if name in _BUILDERS:
            raise ValueError(f"variant '{name}' is registered twice")
        _BUILDERS[name] = (info, builder)
        return builder

    return register


def list_variants() -> list[str]:
    """Names of all registered variants, sorted."""
    _load()
    return sorted(_BUILDERS)


def variant_info(name: str, of: str = "text_hyper") -> VariantInfo:
    """Describe a variant.

    Args:
        name: The variant.
        of: For `plain_head`, the variant it is the control of; it reads what that one's target net sees
            and has that one's parameters less the hypernet's.

    Raises:
        UnknownNameError: No variant has that name.
    """
    info = _find(name)[0]
    if name != CONTROL:
        return info
    compared = _find(of)[0]
    own = {key: value for key, value in compared.parameters.items() if key not in _HYPERNET_KEYS}
    return VariantInfo(
        name,
        (),
        compared.target_net_sees,
        compared.targets,
        info.summary,
        {**info.parameters, "of": of, **own},
    )


def build_variant(name: str, shapes: Mapping[str, tuple[int, ...]], n_targets: int = 1, **params: Any) -> ScoringModel:
    """Build a variant with freshly initialised weights.

    Args:
        name: The variant.
        shapes: Shape, without the batch, of every feature at hand.
        n_targets: How many scores it gives.
        params: Its keyword parameters; `variant_info(name).parameters` lists them with their defaults.

    Raises:
        UnknownNameError: No variant, or no parameter of it, has that name.
        ValueError: A feature that it reads is missing, or a parameter is out of its range.
    """
    info = variant_info(name, params["of"]) if "of" in params else variant_info(name)
    for key in params:
        if key not in info.parameters:
            raise UnknownNameError(f"parameter of {name}", key, info.parameters)
    return _find(name)[1](_Shapes(name, shapes), n_targets, **params)


class _Shapes(dict[str, tuple[int, ...]]):
    """Shapes of the features at hand; asking for another one says who asked and what there is."""

    def __init__(self, variant: str, shapes: Mapping[str, tuple[int, ...]]) -> None:
        super().__init__(shapes)
        self.variant = variant

    def __missing__(self, feature: str) -> tuple[int, ...]:
        at_hand = ", ".join(sorted(self)) or "none"
        raise ValueError(f"{self.variant} reads {feature}, but the features at hand are {at_hand}")


def _find(name: str) -> tuple[VariantInfo, Builder]:
    _load()
    if name not in _BUILDERS:
        raise UnknownNameError("variant", name, _BUILDERS)
    return _BUILDERS[name]


def _load() -> None:
    # Here rather than at the top: the variants' modules import this one for the decorator.
    import models.variants  # noqa: F401
