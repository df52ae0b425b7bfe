"""Control: a variant without its hypernet."""

from collections.abc import Mapping

from models.registry import register_variant
from models.stems import Stem


@register_variant(hypernet_sees=(), target_net_sees=(), targets=None)
def plain_head(shapes: Mapping[str, tuple[int, ...]]) -> Stem:
    """Score with the stem and target net of the variant `of`, with static weights and without a hypernet.

    With the same seed, the control has the same initial weights as that variant with residual generation, and so
    the same scores. The registry builds it from the compared variant's own parts.

    Example:
        >>> from models import build_variant
        >>> build_variant("plain_head", {"image_prompt.embedding": (16,)}, of="text_hyper").hypernet is None
        True
    """
    raise NotImplementedError("the registry builds the control from the parts of the variant it is compared with")
