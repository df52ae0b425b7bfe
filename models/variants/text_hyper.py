"""The prompt decides how the image is judged (paper, section IV-B)."""

from collections.abc import Mapping, Sequence

from models.hypernet import build_hypernet
from models.registry import register_variant
from models.scoring import ScoringModel
from models.stems import Embedding
from models.target_net import TargetNet


@register_variant(
    hypernet_sees=("prompt.embedding",),
    target_net_sees=("image_prompt.embedding", Embedding.statistics),
    targets=("alignment",),
)
def text_hyper(
    shapes: Mapping[str, tuple[int, ...]],
    n_targets: int = 1,
    *,
    widths: Sequence[int] = (128, 64),
    activation: str = "gelu",
    dropout: float = 0.4,
    input_dropout: float = 0.6,
    standardize: bool = True,
    statistics_width: int = 64,
    generation: str = "residual",
    rank: int | None = 2,
    condition_width: int = 16,
    condition_hidden: Sequence[int] = (),
    condition_dropout: float = 0.5,
    condition_standardize: bool = False,
) -> ScoringModel:
    """Prompt embedding → weights of the net that scores the image-aware prompt embedding.

    The paper generates the weights outright (`generation="direct"`, `rank=0`, `widths=(128, 64, 32, 16)`,
    `activation="sigmoid"`); from a few hundred prompts that overfits, so by default a low-rank correction
    to static weights is generated instead. Parameters are those of `Embedding`, `TargetNet` and `HyperNet`.
    """
    stem = Embedding(
        shapes,
        "image_prompt.embedding",
        statistics_width=statistics_width,
        standardize=standardize,
        input_dropout=input_dropout,
    )
    target_net = TargetNet(
        [stem.width, *widths, n_targets],
        static=generation != "direct",
        activation=activation,
        dropout=dropout,
    )
    hypernet = build_hypernet(
        "prompt.embedding",
        shapes,
        target_net.layers,
        generation=generation,
        rank=rank,
        condition_width=condition_width,
        condition_hidden=condition_hidden,
        condition_dropout=condition_dropout,
        condition_standardize=condition_standardize,
    )
    return ScoringModel(stem, target_net, hypernet)
