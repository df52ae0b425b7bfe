"""What the image looks like joins what the prompt asks for (paper, appendix A)."""

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
    """Deepest image map → weights of the net that scores the local-distortion vector and the prompt's embedding.

    The defaults are hyperIQA's sizes; the prompt's embedding is the image-aware one.
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
