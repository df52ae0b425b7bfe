"""Pointwise losses, which depend on each row's error alone."""

from torch import Tensor
from torch.nn.functional import huber_loss, l1_loss, mse_loss

from orchestrator.training.losses.batch import LossBatch
from orchestrator.training.losses.registry import register_loss


@register_loss
def l1(prediction: Tensor, batch: LossBatch) -> Tensor:
    """Compute the mean absolute error, hyperIQA's loss.

    Example:
        >>> import torch
        >>> l1(torch.tensor([1.0, 3.0]), LossBatch(torch.zeros(2), prompt_ids=torch.zeros(2)))
        tensor(2.)
    """
    return l1_loss(prediction, batch.target)


@register_loss
def mse(prediction: Tensor, batch: LossBatch) -> Tensor:
    """Compute the mean squared error.

    Example:
        >>> import torch
        >>> mse(torch.tensor([1.0, 3.0]), LossBatch(torch.zeros(2), prompt_ids=torch.zeros(2)))
        tensor(5.)
    """
    return mse_loss(prediction, batch.target)


@register_loss
def huber(prediction: Tensor, batch: LossBatch) -> Tensor:
    """Compute the Huber loss: squared within one standard deviation of the score, absolute beyond.

    Example:
        >>> import torch
        >>> huber(torch.tensor([1.0, 3.0]), LossBatch(torch.zeros(2), prompt_ids=torch.zeros(2)))
        tensor(1.5000)
    """
    return huber_loss(prediction, batch.target)
