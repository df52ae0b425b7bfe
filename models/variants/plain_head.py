"""The control: what a variant is without its hypernet."""

from collections.abc import Mapping
from typing import Any

from models.registry import CONTROL, build_variant, register_variant
from models.scoring import ScoringModel


@register_variant(hypernet_sees=(), target_net_sees=(), targets=None)
def plain_head(
    shapes: Mapping[str, tuple[int, ...]], n_targets: int = 1, *, of: str = "text_hyper", **params: Any
) -> ScoringModel:
    """Stem and target net of the variant `of` with static weights and no hypernet.

    Built under the same seed, it starts from the same weights as that variant does with residual
    generation, and so gives the same scores.
    """
    if of == CONTROL:
        raise ValueError("plain_head is the control of a variant with a hypernet, not of itself")
    return build_variant(of, shapes, n_targets, **params, generation="none")
