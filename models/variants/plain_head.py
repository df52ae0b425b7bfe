"""The control: what a variant is without its hypernet."""

from collections.abc import Mapping

from models.registry import register_variant
from models.stems import Stem


@register_variant(hypernet_sees=(), target_net_sees=(), targets=None)
def plain_head(shapes: Mapping[str, tuple[int, ...]]) -> Stem:
    """Stem and target net of the variant `of` with static weights and no hypernet.

    Built under the same seed, it starts from the same weights as that variant does with residual generation, and so
    gives the same scores. The registry builds it from the compared variant's own parts.
    """
    raise NotImplementedError("the registry builds the control from the parts of the variant it is compared with")
