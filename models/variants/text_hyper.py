"""The prompt decides how the image is judged (paper, section IV-B)."""

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
    """Prompt embedding → weights of the net that scores the image-aware prompt embedding.

    The defaults are the paper's: the embedding, cut into 8×8 maps, generates the weights outright. From a few hundred
    prompts that overfits, so the shipped space generates a low-rank correction to static weights instead. The width
    between maps and weights is hyperIQA's; the paper gives none.
    """
    return Embedding(
        shapes,
        "image_prompt.embedding",
        statistics_width=statistics_width,
        standardize=standardize,
        input_dropout=input_dropout,
    )
