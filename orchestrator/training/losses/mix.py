"""Weighted sums of losses and of targets."""

import math
from dataclasses import dataclass

from torch import Tensor

from orchestrator.core.errors import InputError
from orchestrator.training.losses.batch import LossBatch
from orchestrator.training.losses.registry import RegisteredLoss, registered_loss


@dataclass(frozen=True)
class MixedLoss:
    """Weighted sum of registered losses, computed for each target separately.

    Attributes:
        terms: weights and losses.
        target_weights: weight of each target; empty if all targets have the same weight.

    Example:
        >>> import torch
        >>> loss = build_loss("mse", target_weights=(1.0, 3.0))
        >>> batch = LossBatch(torch.zeros(4, 2), prompt_ids=torch.zeros(4))
        >>> loss(torch.tensor([[0.0, 1.0]]).expand(4, 2), batch)
        tensor(0.7500)
    """

    terms: tuple[tuple[float, RegisteredLoss], ...]
    target_weights: tuple[float, ...] = ()

    def __call__(self, prediction: Tensor, batch: LossBatch) -> Tensor:
        """Compute the weighted mean over the targets, a scalar, of predictions (B, T) and their batch.

        The weights are divided by their sum, so that they do not change the scale of the loss. With another scale,
        learning rate and clipping would have another effect. With a single target the weight has no effect.

        Raises:
            ValueError: the number of weights is not the number of targets.
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
        """Raise InputError if a loss reads raters' standard deviations and `missing`, the reason for none, is set."""
        needing = [loss.name for _, loss in self.terms if loss.needs_std]
        if needing and missing:
            raise InputError(f"The loss {needing[0]} needs the raters' standard deviations: {missing}.")


def build_loss(mix: str, target_weights: tuple[float, ...] = ()) -> MixedLoss:
    """Parse a mix such as `huber`, `huber+0.3*rank` or `0.5*l1 + 0.5*mse`.

    Raises:
        InputError: a name is unknown (the message contains near matches) or a weight is not a number above 0.

    Example:
        >>> [(weight, loss.name) for weight, loss in build_loss("huber+0.3*rank").terms]
        [(1.0, 'huber'), (0.3, 'rank')]
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
