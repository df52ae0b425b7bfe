"""Variant whose target net sees the image's distortions and the image-aware prompt (paper, appendix A)."""

from collections.abc import Mapping, Sequence

from models.registry import register_variant
from models.stems import Embedding, Joined, LocalDistortion
from models.variants.image_hyper import HYPERIQA


@register_variant(
    hypernet_sees=("image.map",),
    target_net_sees=(*LocalDistortion.levels, LocalDistortion.statistics, "image_prompt.embedding"),
    targets=("alignment",),
    **HYPERIQA,
)
def semantic_hyper(
    shapes: Mapping[str, tuple[int, ...]],
    *,
    distortion_channels: Sequence[int] = (16, 32, 64),
    distortion_widths: Sequence[int] = (16, 16, 16, 176),
    statistics_width: int = 0,
    standardize: bool = False,
    input_dropout: float = 0.0,
) -> Joined:
    """Generate weights from the deepest image map for a net that scores distortions and prompt embedding.

    The target net's input is the local-distortion vector and the image-aware prompt embedding. The defaults are
    hyperIQA's sizes.

    Example:
        >>> shapes = {"image.level4": (32, 1, 1), "image_prompt.embedding": (16,)}
        >>> stem = semantic_hyper(shapes, distortion_widths=(0, 0, 0, 8))
        >>> stem.reads, stem.width
        (('image.level4', 'image_prompt.embedding'), 24)
    """
    distortion = LocalDistortion(
        shapes,
        distortion_channels=distortion_channels,
        distortion_widths=distortion_widths,
        statistics_width=statistics_width,
        standardize=standardize,
        input_dropout=input_dropout,
    )
    text = Embedding(shapes, "image_prompt.embedding", standardize=standardize, input_dropout=input_dropout)
    return Joined(distortion, text)
