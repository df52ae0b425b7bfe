"""Variant whose hypernet sees a text of criteria for the prompt's images (paper, section IV-B, future work)."""

from collections.abc import Mapping

from models.registry import register_variant
from models.stems import Embedding, Stem
from models.variants.text_hyper import text_hyper


@register_variant(
    hypernet_sees=("criteria.embedding",),
    target_net_sees=("image_prompt.embedding", Embedding.statistics),
    targets=("alignment",),
    widths=(128, 64, 32, 16),
    activation="sigmoid",
    generation="direct",
    condition_grid=8,
    condition_width=112,
    condition_standardize=False,
)
def criteria_hyper(
    shapes: Mapping[str, tuple[int, ...]],
    *,
    statistics_width: int = 0,
    standardize: bool = False,
    input_dropout: float = 0.0,
) -> Stem:
    """Generate weights from a text of criteria for a net that scores the image-aware prompt embedding.

    The same as text_hyper, with a text of criteria in place of the prompt. The text describes what an image of the
    prompt has to show; a language model can write it.

    Example:
        >>> from models import build_variant
        >>> shapes = {"criteria.embedding": (384,), "image_prompt.embedding": (16,)}
        >>> build_variant("criteria_hyper", shapes).reads
        ('criteria.embedding', 'image_prompt.embedding')
    """
    return text_hyper(shapes, statistics_width=statistics_width, standardize=standardize, input_dropout=input_dropout)
