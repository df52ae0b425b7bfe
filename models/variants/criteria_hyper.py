"""What is asked of a prompt's images decides how they are judged (paper, section IV-B, its future work)."""

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
    """Embedding of a text of criteria → weights of the net that scores the image-aware prompt embedding.

    As text_hyper, with a text in the prompt's place that says what its images have to show, such as a language model
    may be asked for.
    """
    return text_hyper(shapes, statistics_width=statistics_width, standardize=standardize, input_dropout=input_dropout)
