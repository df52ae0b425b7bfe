"""The image's content decides how image and prompt together are judged (paper, section IV-A)."""

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
    """Deepest image map → weights of the net that scores the image-aware prompt embedding.

    The defaults are the paper's sizes, but for its input: 672 of BLIP's 768 values, which only hyperIQA's reshaping
    asked for; here the net takes the whole embedding.
    """
    return Embedding(
        shapes,
        "image_prompt.embedding",
        statistics_width=statistics_width,
        standardize=standardize,
        input_dropout=input_dropout,
    )
