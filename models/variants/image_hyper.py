"""The image's content decides how its distortions are judged (paper, section III; hyperIQA)."""

from collections.abc import Mapping, Sequence

from models.hypernet import build_hypernet
from models.registry import register_variant
from models.scoring import ScoringModel
from models.stems import LocalDistortion
from models.target_net import TargetNet


@register_variant(
    hypernet_sees=("image.map",),
    target_net_sees=(*LocalDistortion.levels, LocalDistortion.statistics),
    targets=("quality", "authenticity"),
)
def image_hyper(
    shapes: Mapping[str, tuple[int, ...]],
    n_targets: int = 1,
    *,
    widths: Sequence[int] = (128, 64),
    activation: str = "gelu",
    dropout: float = 0.2,
    input_dropout: float = 0.4,
    standardize: bool = True,
    distortion_channels: Sequence[int] = (8, 8, 8),
    distortion_widths: Sequence[int] = (8, 8, 8, 16),
    statistics_width: int = 64,
    generation: str = "residual",
    rank: int | None = 2,
    condition_width: int = 32,
    condition_hidden: Sequence[int] = (),
    condition_dropout: float = 0.5,
    condition_standardize: bool = True,
) -> ScoringModel:
    """Deepest image map → weights of the net that scores the local-distortion vector.

    The paper's form is `generation="direct"`, `rank=0`, `widths=(112, 56, 28, 14)`, `activation="sigmoid"`,
    `condition_hidden=(1024, 512)`, `condition_width=112`, `distortion_channels=(16, 32, 64)`,
    `distortion_widths=(16, 16, 16, 176)`, `statistics_width=0`, no dropout and no standardisation. Parameters are
    those of `LocalDistortion`, `TargetNet` and `HyperNet`.
    """
    stem = LocalDistortion(
        shapes,
        distortion_channels=distortion_channels,
        distortion_widths=distortion_widths,
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
        "image.map",
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
