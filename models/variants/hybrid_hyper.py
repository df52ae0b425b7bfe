"""One model for every score (paper, appendix B)."""

from collections.abc import Mapping, Sequence

from models.registry import register_variant
from models.stems import LocalDistortion, Stem
from models.variants.image_hyper import HYPERIQA
from models.variants.semantic_hyper import semantic_hyper


@register_variant(
    hypernet_sees=("image.map",),
    target_net_sees=(*LocalDistortion.levels, LocalDistortion.statistics, "image_prompt.embedding"),
    targets=None,
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
    """As semantic_hyper, with an output for every score that the data set has.

    The defaults are the paper's sizes: a local-distortion vector as wide as the text beside it was, 672.
    """
    return semantic_hyper(
        shapes,
        distortion_channels=distortion_channels,
        distortion_widths=distortion_widths,
        statistics_width=statistics_width,
        standardize=standardize,
        input_dropout=input_dropout,
    )
