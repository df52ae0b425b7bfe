"""The registry of variants: plain functions that say what a model sees, found by their names."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from models.hypernet import HyperNet
from models.scoring_model import ScoringModel
from models.stems import Stem
from models.target_net import TargetNet
from models.unknown_name import UnknownNameError

__all__ = [
    "UnknownNameError",
    "VariantInfo",
    "build_variant",
    "list_variants",
    "register_variant",
    "variant_info",
]

StemBuilder = Callable[..., Stem]
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


def _keywords(function: Callable[..., Any]) -> dict[str, Any]:
    """Keyword-only parameters of a function with their defaults."""
    signature = inspect.signature(function).parameters.items()
    return {name: p.default for name, p in signature if p.kind is inspect.Parameter.KEYWORD_ONLY}


_TARGET_NET_DEFAULTS = {"widths": (128, 64), **_keywords(TargetNet.__init__)}
del _TARGET_NET_DEFAULTS["static"]
_HYPERNET_DEFAULTS = _keywords(HyperNet.__init__)
_HYPERNET_KEYS = frozenset(_HYPERNET_DEFAULTS)
_BUILDERS: dict[str, tuple[VariantInfo, StemBuilder]] = {}


def register_variant(
    *,
    hypernet_sees: tuple[str, ...],
    target_net_sees: tuple[str, ...],
    targets: tuple[str, ...] | None,
    **defaults: Any,
) -> Callable[[StemBuilder], StemBuilder]:
    """Register the decorated function under its own name.

    The function takes `shapes` (name of a feature → its shape without the batch) and keyword-only parameters, every
    one with a default, and returns the stem. The variant's parameters are those, `widths` and the others of
    `TargetNet`, and, where there is something that its hypernet sees, those of `HyperNet`.

    Args:
        hypernet_sees: The feature that conditions the hypernet; none for a variant without one.
        target_net_sees: Features that the stem may read.
        targets: The scores it is made for, or None for any.
        defaults: Of the parameters; the paper's sizes where it gives them.
    """

    def register(builder: StemBuilder) -> StemBuilder:
        name = builder.__name__
        parameters = {**_TARGET_NET_DEFAULTS, **_keywords(builder), **(_HYPERNET_DEFAULTS if hypernet_sees else {})}
        if strange := set(defaults) - set(parameters):
            raise ValueError(f"variant '{name}' has no parameter {' or '.join(sorted(strange))}")
        summary = (inspect.getdoc(builder) or "").partition("\n")[0]
        info = VariantInfo(name, hypernet_sees, target_net_sees, targets, summary, {**parameters, **defaults})
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
    if of == CONTROL:
        raise ValueError("plain_head is the control of a variant with a hypernet, not of itself")
    compared = _find(of)[0]
    own = {key: value for key, value in compared.parameters.items() if key not in _HYPERNET_KEYS}
    return VariantInfo(
        name,
        (),
        compared.target_net_sees,
        compared.targets,
        info.summary,
        {"of": of, **own},
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
    if name == CONTROL:
        compared = variant_info(info.parameters["of"])
        without = {"generation": "none"} if compared.hypernet_sees else {}
        return build_variant(compared.name, shapes, n_targets, **_less(params, "of"), **without)
    given = {**info.parameters, **params}
    return _assemble(info, _find(name)[1], _Shapes(name, shapes), n_targets, given)


def _assemble(
    info: VariantInfo, build_stem: StemBuilder, shapes: Mapping[str, tuple[int, ...]], n_targets: int, params: Any
) -> ScoringModel:
    """Stem, then target net, then hypernet: under one seed a control starts from the weights of its variant."""
    stem = build_stem(shapes, **{key: params[key] for key in _keywords(build_stem)})
    generation = params.get("generation", "none")
    target_net = TargetNet(
        [stem.width, *params["widths"], n_targets],
        static=generation != "direct",
        **{key: params[key] for key in _less(_TARGET_NET_DEFAULTS, "widths")},
    )
    if generation == "none":
        return ScoringModel(stem, target_net)
    (condition,) = info.hypernet_sees
    own = {key: params[key] for key in _HYPERNET_KEYS}
    return ScoringModel(stem, target_net, HyperNet(condition, shapes[condition], target_net.layers, **own))


def _less(mapping: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in mapping.items() if name != key}


class _Shapes(dict[str, tuple[int, ...]]):
    """Shapes of the features at hand; asking for another one says who asked and what there is."""

    def __init__(self, variant: str, shapes: Mapping[str, tuple[int, ...]]) -> None:
        super().__init__(shapes)
        self.variant = variant

    def __missing__(self, feature: str) -> tuple[int, ...]:
        at_hand = ", ".join(sorted(self)) or "none"
        raise ValueError(f"{self.variant} reads {feature}, but the features at hand are {at_hand}")


def _find(name: str) -> tuple[VariantInfo, StemBuilder]:
    _load()
    if name not in _BUILDERS:
        raise UnknownNameError("variant", name, _BUILDERS)
    return _BUILDERS[name]


def _load() -> None:
    # Here rather than at the top: the variants' modules import this one for the decorator.
    import models.variants  # noqa: F401
