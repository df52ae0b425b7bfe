"""Variant with one model for all scores of a data set (paper, appendix B)."""

from collections.abc import Mapping, Sequence

from models.registry import register_variant
from models.stems import LocalDistortion, Stem
from models.variants.image_hyper import HYPERIQA
from models.variants.semantic_hyper import semantic_hyper


@register_variant(
    hypernet_sees=("image.map",),
    target_net_sees=(*LocalDistortion.levels, LocalDistortion.statistics, "image_prompt.embedding"),
    targets=None,
    all_scores=True,
    **HYPERIQA,
)
def hybrid_hyper(
    shapes: Mapping[str, tuple[int, ...]],
    *,
    distortion_channels: Sequence[int] = (16, 32, 64),
    distortion_widths: Sequence[int] = (16, 16, 16, 624),
    statistics_width: int = 0,
    standardize: bool = False,
    input_dropout: float = 0.0,
) -> Stem:
    """Generate weights as semantic_hyper does, for a net with an output for every score of the data set.

    The defaults are the paper's sizes: a local-distortion vector of width 672, the width of the paper's text vector.

    Example:
        >>> shapes = {"image.level4": (32, 1, 1), "image_prompt.embedding": (16,)}
        >>> hybrid_hyper(shapes, distortion_widths=(0, 0, 0, 8)).width
        24
    """
    return semantic_hyper(
        shapes,
        distortion_channels=distortion_channels,
        distortion_widths=distortion_widths,
        statistics_width=statistics_width,
        standardize=standardize,
        input_dropout=input_dropout,
    )
