"""Mixes of losses, and of targets."""

import math
from dataclasses import dataclass

from torch import Tensor

from orchestrator.core.errors import InputError
from orchestrator.training.losses.batch import LossBatch
from orchestrator.training.losses.registry import RegisteredLoss, registered_loss


@dataclass(frozen=True)
class MixedLoss:
    """A weighted sum of registered losses, taken of each target by itself.

    Attributes:
        terms: weights and losses.
        target_weights: one a target; empty where all weigh the same.
    """

    terms: tuple[tuple[float, RegisteredLoss], ...]
    target_weights: tuple[float, ...] = ()

    def __call__(self, prediction: Tensor, batch: LossBatch) -> Tensor:
        """Predictions (B, T) and their batch → a scalar, the weighted mean over the targets.

        The weights are divided by their sum, so that they leave the size of the loss, and what learning rate and
        clipping make of it, alone. A single target's loss is what it is, whatever its weight.

        Raises:
            ValueError: there are weights, but not one a target.
        """
        weights = self.target_weights or (1.0,) * prediction.shape[1]
        if len(weights) != prediction.shape[1]:
            raise ValueError(f"{len(weights)} target weights for {prediction.shape[1]} targets")
        losses = [self._of_target(prediction[:, t], batch.of_target(t)) for t in range(len(weights))]
        if len(losses) == 1:
            return losses[0]
        total = weights[0] * losses[0]
        for weight, loss in zip(weights[1:], losses[1:], strict=True):
            total = total + weight * loss
        return total / sum(weights)

    def _of_target(self, prediction: Tensor, batch: LossBatch) -> Tensor:
        weight, loss = self.terms[0]
        total = weight * loss.function(prediction, batch)
        for weight, loss in self.terms[1:]:
            total = total + weight * loss.function(prediction, batch)
        return total

    def check_std(self, missing: str | None) -> None:
        """Raises InputError where a loss reads raters' standard deviations and there are none, as `missing` says."""
        needing = [loss.name for _, loss in self.terms if loss.needs_std]
        if needing and missing:
            raise InputError(f"The loss {needing[0]} needs the raters' standard deviations: {missing}.")


def build_loss(mix: str, target_weights: tuple[float, ...] = ()) -> MixedLoss:
    """Read a mix such as `huber`, `huber+0.3*rank` or `0.5*l1 + 0.5*mse`.

    Raises:
        InputError: a name is unknown (near matches are named) or a weight is no number above 0.
    """
    return MixedLoss(tuple(_term(part.strip(), mix) for part in mix.split("+")), target_weights)


def _term(part: str, mix: str) -> tuple[float, RegisteredLoss]:
    weight_text, star, name = part.rpartition("*")
    loss = registered_loss(name.strip())
    try:
        weight = float(weight_text) if star else 1.0
    except ValueError:
        weight = math.nan
    if not 0 < weight < math.inf:
        raise InputError(f"loss {mix!r}: the weight of {loss.name} must be a number above 0, as in 0.3*{loss.name}.")
    return weight, loss
