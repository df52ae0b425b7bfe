"""Variant whose hypernet sees the image and whose target net sees image and prompt (paper, section IV-A)."""

from collections.abc import Mapping

from models.registry import register_variant
from models.stems import Embedding
from models.variants.image_hyper import HYPERIQA


@register_variant(
    hypernet_sees=("image.map",),
    target_net_sees=("image_prompt.embedding", Embedding.statistics),
    targets=("alignment",),
    **HYPERIQA,
)
def image_text_hyper(
    shapes: Mapping[str, tuple[int, ...]],
    *,
    statistics_width: int = 0,
    standardize: bool = False,
    input_dropout: float = 0.0,
) -> Embedding:
    """Generate weights from the deepest image map for a net that scores the image-aware prompt embedding.

    The defaults are the paper's sizes except for the input. The paper uses 672 of BLIP's 768 values, which only
    hyperIQA's reshaping requires; here the net reads the whole embedding.

    Example:
        >>> from models import build_variant
        >>> build_variant("image_text_hyper", {"image.map": (8, 7, 7), "image_prompt.embedding": (16,)}).reads
        ('image.map', 'image_prompt.embedding')
    """
    return Embedding(
        shapes,
        "image_prompt.embedding",
        statistics_width=statistics_width,
        standardize=standardize,
        input_dropout=input_dropout,
    )
