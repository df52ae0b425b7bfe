"""The loss `log_cosh`."""

import math

from torch import Tensor, nn

from orchestrator.training.losses import LossBatch, register_loss


@register_loss
def log_cosh(prediction: Tensor, batch: LossBatch) -> Tensor:
    """Return the mean of log cosh(error): quadratic near zero, linear far from it, smooth everywhere."""
    error = prediction - batch.target
    return (error + nn.functional.softplus(-2 * error) - math.log(2)).mean()
