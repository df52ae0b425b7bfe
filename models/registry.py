"""Registry of variants: functions that return what a model sees, or a whole model, looked up by name."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

from torch import nn

from models import CONTROL
from models.hypernet import HyperNet
from models.name_registry import Registry
from models.scoring_model import ScoringModel
from models.stems import Stem
from models.target_net import TargetNet
from models.unknown_name import UnknownNameError

__all__ = [
    "CONTROL",
    "VARIANTS",
    "UnknownNameError",
    "VariantInfo",
    "build_variant",
    "list_variants",
    "register_variant",
    "variant_file",
    "variant_info",
]

Builder = TypeVar("Builder", bound=Callable[..., nn.Module])


@dataclass(frozen=True)
class VariantInfo:
    """Description of a variant, known before it is built.

    Attributes:
        name: Its registered name.
        hypernet_sees: Features that condition the hypernet.
        target_net_sees: Features that the target net's input is made of.
        targets: The scores it is made for, or None for any.
        summary: First line of its description.
        parameters: Its keyword parameters with their defaults.
        all_scores: Whether it learns every score of a data set if none is chosen; others learn the first.

    Example:
        >>> variant_info("text_hyper").reads
        ('prompt.embedding', 'image_prompt.embedding', 'image.statistics')
    """

    name: str
    hypernet_sees: tuple[str, ...]
    target_net_sees: tuple[str, ...]
    targets: tuple[str, ...] | None
    summary: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    all_scores: bool = False

    @property
    def reads(self) -> tuple[str, ...]:
        """Features that it may read, whatever its parameters."""
        return tuple(dict.fromkeys((*self.hypernet_sees, *self.target_net_sees)))

    @property
    def hypernet_parameters(self) -> tuple[str, ...]:
        """Parameters of the hypernet alone, which its control lacks."""
        return tuple(name for name in self.parameters if name in _HYPERNET_KEYS)


@dataclass(frozen=True)
class _Variant:
    info: VariantInfo
    build: Callable[..., nn.Module]


def _keywords(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the keyword-only parameters of a function with their defaults."""
    signature = inspect.signature(function).parameters.items()
    return {name: p.default for name, p in signature if p.kind is inspect.Parameter.KEYWORD_ONLY}


_N_TARGETS = "n_targets"
_TARGET_NET_DEFAULTS = {"widths": (128, 64), **_keywords(TargetNet.__init__)}
del _TARGET_NET_DEFAULTS["static"]
_HYPERNET_DEFAULTS = _keywords(HyperNet.__init__)
_HYPERNET_KEYS = frozenset(_HYPERNET_DEFAULTS)

VARIANTS: Registry[_Variant] = Registry("variant", package="models.variants", group="hyperassess.variants")
"""All variants; the modules of `models/variants/` and plug-ins register them."""


def register_variant(
    *,
    hypernet_sees: tuple[str, ...],
    target_net_sees: tuple[str, ...],
    targets: tuple[str, ...] | None,
    all_scores: bool = False,
    **defaults: Any,
) -> Callable[[Builder], Builder]:
    """Register the decorated function under its own name.

    The function takes `shapes` (name of a feature → its shape without the batch) and keyword-only parameters, each with
    a default. It returns the stem. The variant's parameters are then the function's, `widths` and the others of
    `TargetNet` and, if the hypernet sees a feature, those of `HyperNet`.

    The function may return a whole model instead: a module with `reads`, `calibrate` and `forward` as `ScoringModel`
    has them. The keyword `n_targets`, without a default, gives it the number of scores. The variant's parameters are
    then the function's alone.

    Args:
        hypernet_sees: The feature that conditions the hypernet; empty for a variant without a hypernet.
        target_net_sees: Features that the stem, or the model, may read.
        targets: The scores it is made for, or None for any.
        all_scores: Learn every score of a data set if none is chosen; without it the first, if `targets` is None.
        defaults: Default values of parameters; the paper's sizes if the paper gives them.

    Raises:
        ValueError: A default is of no parameter, or the name is registered already.

    Example:
        >>> from models.stems import Embedding
        >>> @register_variant(hypernet_sees=(), target_net_sees=("prompt.embedding",), targets=None, widths=(8,))
        ... def prompt_only(shapes):
        ...     "Score the prompt alone."
        ...     return Embedding(shapes, "prompt.embedding")
        >>> build_variant("prompt_only", {"prompt.embedding": (4,)}).target_net.layers
        ((4, 8), (8, 1))
        >>> VARIANTS.remove("prompt_only")
    """

    def register(builder: Builder) -> Builder:
        name, own = builder.__name__, _keywords(builder)
        if _N_TARGETS in own:
            del own[_N_TARGETS]
        else:
            own = {**_TARGET_NET_DEFAULTS, **own, **(_HYPERNET_DEFAULTS if hypernet_sees else {})}
        if unknown := set(defaults) - set(own):
            raise ValueError(f"variant '{name}' has no parameter {' or '.join(sorted(unknown))}")
        summary = (inspect.getdoc(builder) or "").partition("\n")[0]
        info = VariantInfo(name, hypernet_sees, target_net_sees, targets, summary, {**own, **defaults}, all_scores)
        VARIANTS.add(name, _Variant(info, builder), builder.__module__)
        return builder

    return register


def list_variants() -> list[str]:
    """Return the names of all registered variants, sorted.

    Example:
        >>> "text_hyper" in list_variants()
        True
    """
    return VARIANTS.names()


def variant_file(name: str) -> Path:
    """Return the Python file that defines a variant; a plug-in's search space lies next to it.

    Raises:
        UnknownNameError: No variant has that name.

    Example:
        >>> variant_file("text_hyper").name
        'text_hyper.py'
    """
    return Path(inspect.getfile(VARIANTS.get(name).build))


def variant_info(name: str, of: str = "text_hyper") -> VariantInfo:
    """Describe a variant.

    Args:
        name: The variant.
        of: The variant that `plain_head` is the control of; it reads what that one's target net sees and has that
            one's parameters without the hypernet's.

    Raises:
        UnknownNameError: No variant has that name.
        ValueError: `plain_head` is to be its own control.

    Example:
        >>> variant_info("plain_head", of="text_hyper").reads
        ('image_prompt.embedding', 'image.statistics')
    """
    info = VARIANTS.get(name).info
    if name != CONTROL:
        return info
    if of == CONTROL:
        raise ValueError("plain_head is the control of a variant with a hypernet, not of itself")
    compared = VARIANTS.get(of).info
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
        shapes: Shape, without the batch, of every available feature.
        n_targets: Number of scores it predicts.
        params: Its keyword parameters; `variant_info(name).parameters` lists them with their defaults.

    Returns:
        The model, or the variant's own module with the same `reads`, `calibrate` and `forward`.

    Raises:
        UnknownNameError: No variant, or no parameter of it, has that name.
        ValueError: A feature is missing, a parameter is out of its range, or the variant's function returned neither a
            stem nor a model.

    Example:
        >>> model = build_variant("plain_head", {"image_prompt.embedding": (12,)}, of="text_hyper", widths=(8,))
        >>> model.reads, model.target_net.layers
        (('image_prompt.embedding',), ((12, 8), (8, 1)))
    """
    info = variant_info(name, params["of"]) if "of" in params else variant_info(name)
    for key in params:
        if key not in info.parameters:
            raise UnknownNameError(f"parameter of {name}", key, info.parameters)
    if name == CONTROL:
        compared = variant_info(info.parameters["of"])
        without = {"generation": "none"} if compared.hypernet_sees else {}
        return build_variant(compared.name, shapes, n_targets, **_without(params, "of"), **without)
    given = {**info.parameters, **params}
    return _assemble(VARIANTS.get(name), _Shapes(name, shapes), n_targets, given, set(params))


def _assemble(
    variant: _Variant, shapes: Mapping[str, tuple[int, ...]], n_targets: int, params: Mapping[str, Any], given: set[str]
) -> ScoringModel:
    """Build stem, then target net, then hypernet: under one seed a control starts from its variant's weights."""
    info, own = variant.info, _keywords(variant.build)
    stem = variant.build(shapes, **{key: n_targets if key == _N_TARGETS else params[key] for key in own})
    if not isinstance(stem, Stem):
        _check_model(info.name, stem)
        if unused := sorted(given - set(own)):
            raise ValueError(f"the variant {info.name} returns a model of its own, which has no {' or '.join(unused)}")
        return cast("ScoringModel", stem)
    generation = params.get("generation", "none")
    target_net = TargetNet(
        [stem.width, *params["widths"], n_targets],
        static=generation != "direct",
        **{key: params[key] for key in _without(_TARGET_NET_DEFAULTS, "widths")},
    )
    if generation == "none":
        return ScoringModel(stem, target_net)
    (condition,) = info.hypernet_sees
    hypernet = {key: params[key] for key in _HYPERNET_KEYS}
    return ScoringModel(stem, target_net, HyperNet(condition, shapes[condition], target_net.layers, **hypernet))


def _check_model(name: str, model: Any) -> None:
    """Raise ValueError unless a variant's own model has what a scoring model has."""
    returned = f"the variant {name} returned an object of type {type(model).__name__}"
    if not isinstance(model, nn.Module):
        raise ValueError(f"{returned}, which is neither a stem nor a torch.nn.Module")
    missing = [part for part in ("reads", "calibrate") if not hasattr(model, part)]
    if type(model).forward is nn.Module.forward:
        missing.append("forward")
    if missing:
        raise ValueError(f"{returned}, which is not a stem and, to be a model, lacks {' and '.join(missing)}")


def _without(mapping: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in mapping.items() if name != key}


class _Shapes(dict[str, tuple[int, ...]]):
    """Shapes of the available features; the error for another one names the variant and the available ones."""

    def __init__(self, variant: str, shapes: Mapping[str, tuple[int, ...]]) -> None:
        super().__init__(shapes)
        self.variant = variant

    def __missing__(self, feature: str) -> tuple[int, ...]:
        at_hand = ", ".join(sorted(self)) or "none"
        raise ValueError(f"{self.variant} reads {feature}, but the features at hand are {at_hand}")
