"""Head of ImageReward (Xu et al., NeurIPS 2023), a comparison of the paper (table IV)."""

from collections.abc import Mapping

from models.registry import register_variant
from models.stems import Embedding

REWARD_MEAN, REWARD_STD = 0.16717, 1.03334
"""Mean and standard deviation of the published model's raw outputs x; its reward is (x − mean) / std."""


@register_variant(
    hypernet_sees=(),
    target_net_sees=("image_prompt.embedding",),
    targets=("alignment",),
    widths=(1024, 128, 64, 16),
    activation="identity",
    dropout=(0.2, 0.2, 0.1),
    initial_std=1 / 769,
)
def imagereward_head(
    shapes: Mapping[str, tuple[int, ...]], *, standardize: bool = False, input_dropout: float = 0.0
) -> Embedding:
    """Score the image-aware prompt embedding with five linear layers, without a hypernet.

    The defaults are ImageReward's: no activations between the layers, initial weights with a deviation of 1/769.

    Example:
        >>> from models import build_variant
        >>> build_variant("imagereward_head", {"image_prompt.embedding": (768,)}).target_net.layers
        ((768, 1024), (1024, 128), (128, 64), (64, 16), (16, 1))
    """
    return Embedding(shapes, "image_prompt.embedding", standardize=standardize, input_dropout=input_dropout)
