"""Losses of a row's own error; the prompts do not matter."""

from torch import Tensor
from torch.nn.functional import huber_loss, l1_loss, mse_loss

from orchestrator.training.losses.batch import LossBatch
from orchestrator.training.losses.registry import register_loss


@register_loss
def l1(prediction: Tensor, batch: LossBatch) -> Tensor:
    """Mean absolute error, hyperIQA's loss."""
    return l1_loss(prediction, batch.target)


@register_loss
def mse(prediction: Tensor, batch: LossBatch) -> Tensor:
    """Mean squared error."""
    return mse_loss(prediction, batch.target)


@register_loss
def huber(prediction: Tensor, batch: LossBatch) -> Tensor:
    """Squared within one standard deviation of the score, absolute beyond."""
    return huber_loss(prediction, batch.target)
