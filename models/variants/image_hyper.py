"""Variant whose hypernet sees the image's content and whose target net sees its distortions (hyperIQA).

Described in section III of the paper.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from models.registry import register_variant
from models.stems import LocalDistortion

HYPERIQA: dict[str, Any] = {
    "widths": (112, 56, 28, 14),
    "activation": "sigmoid",
    "generation": "direct",
    "condition_hidden": (1024, 512),
    "condition_width": 112,
    "condition_standardize": False,
}
"""Sizes of hyperIQA's target net and hypernet, used by all systems of the paper whose hypernet sees the image."""


@register_variant(
    hypernet_sees=("image.map",),
    target_net_sees=(*LocalDistortion.levels, LocalDistortion.statistics),
    targets=("quality", "authenticity"),
    **HYPERIQA,
)
def image_hyper(
    shapes: Mapping[str, tuple[int, ...]],
    *,
    distortion_channels: Sequence[int] = (16, 32, 64),
    distortion_widths: Sequence[int] = (16, 16, 16, 176),
    statistics_width: int = 0,
    standardize: bool = False,
    input_dropout: float = 0.0,
) -> LocalDistortion:
    """Generate weights from the deepest image map for a net that scores the local-distortion vector.

    The defaults are hyperIQA's sizes; the shipped search space has smaller, residual, low-rank forms.

    Example:
        >>> from models import build_variant
        >>> shapes = {"image.map": (8, 7, 7), "image.level4": (32, 1, 1)}
        >>> model = build_variant("image_hyper", shapes, n_targets=2, distortion_widths=(0, 0, 0, 8))
        >>> model.reads, model.stem.width
        (('image.map', 'image.level4'), 8)
    """
    return LocalDistortion(
        shapes,
        distortion_channels=distortion_channels,
        distortion_widths=distortion_widths,
        statistics_width=statistics_width,
        standardize=standardize,
        input_dropout=input_dropout,
    )
