"""The image's content decides how its distortions are judged (paper, section III; hyperIQA)."""

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
"""Sizes of hyperIQA's target net and hypernet, which all of the paper's systems on images have."""


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
    """Deepest image map → weights of the net that scores the local-distortion vector.

    The defaults are hyperIQA's sizes; the shipped space searches smaller, residual, low-rank forms.
    """
    return LocalDistortion(
        shapes,
        distortion_channels=distortion_channels,
        distortion_widths=distortion_widths,
        statistics_width=statistics_width,
        standardize=standardize,
        input_dropout=input_dropout,
    )
