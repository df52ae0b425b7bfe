"""Variant whose hypernet sees the prompt (paper, section IV-B)."""

from collections.abc import Mapping

from models.registry import register_variant
from models.stems import Embedding


@register_variant(
    hypernet_sees=("prompt.embedding",),
    target_net_sees=("image_prompt.embedding", Embedding.statistics),
    targets=("alignment",),
    widths=(128, 64, 32, 16),
    activation="sigmoid",
    generation="direct",
    condition_grid=8,
    condition_width=112,
    condition_standardize=False,
)
def text_hyper(
    shapes: Mapping[str, tuple[int, ...]],
    *,
    statistics_width: int = 0,
    standardize: bool = False,
    input_dropout: float = 0.0,
) -> Embedding:
    """Generate weights from the prompt embedding for a net that scores the image-aware prompt embedding.

    The defaults are the paper's: the embedding, reshaped to 8×8 maps, generates all weights. With a few hundred
    prompts that overfits, so the shipped search space generates a low-rank correction of static weights. The width
    between maps and weights is hyperIQA's; the paper does not specify it.

    Example:
        >>> import torch
        >>> from models import build_variant
        >>> model = build_variant("text_hyper", {"prompt.embedding": (384,), "image_prompt.embedding": (16,)})
        >>> model({"prompt.embedding": torch.zeros(3, 384), "image_prompt.embedding": torch.zeros(3, 16)}).shape
        torch.Size([3, 1])
    """
    return Embedding(
        shapes,
        "image_prompt.embedding",
        statistics_width=statistics_width,
        standardize=standardize,
        input_dropout=input_dropout,
    )
