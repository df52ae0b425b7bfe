"""Smallest and largest model of a search space."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestrator.core.errors import InputError
from orchestrator.data.feature_store import PIXELS
from orchestrator.search.space import Configuration, SearchSpace

if TYPE_CHECKING:
    from orchestrator.execution.prepare import PreparedSweep


def feature_shapes(prepared: PreparedSweep) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the features that the sweep reads, without encoding anything."""
    from orchestrator.data import FeatureStore

    shapes = FeatureStore().shapes(prepared.encoders, prepared.reads)
    if prepared.finetune:
        from models.crops import pixels_for
        from models.encoders import build_encoder

        encoder: Any = build_encoder(prepared.encoders["image"])
        size = pixels_for(encoder.size)
        shapes[PIXELS] = (3, size, size)
    return shapes


def extreme_model(
    space: SearchSpace,
    variant: str,
    of: str | None,
    shapes: dict[str, tuple[int, ...]],
    targets: int,
    largest: bool,
) -> tuple[Configuration, Any]:
    """Return the configuration of a space with the fewest or the most parameters, and its model.

    Args:
        space: of the variant.
        variant: registered name.
        of: the variant that it is the control of, if any.
        shapes: of the features, by name, without the rows.
        targets: number of predicted scores.
        largest: whether to return the largest model.

    Raises:
        InputError: a model cannot be built.
    """
    import torch

    from models import build_variant

    extra = {"of": of} if of else {}

    def build(configuration: Configuration) -> Any:
        try:
            return build_variant(variant, shapes, targets, **{**configuration.model, **extra})
        except ValueError as error:
            raise InputError(f"The search space makes a model that cannot be built: {error}") from error

    def size(configuration: Configuration) -> int:
        with torch.device("meta"):
            return sum(parameter.numel() for parameter in build(configuration).parameters())

    candidates = {repr(c.model): c for c in space.corners(largest)}
    chosen = (max if largest else min)(candidates.values(), key=size)
    return chosen, build(chosen)
