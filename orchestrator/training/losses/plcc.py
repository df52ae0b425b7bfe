"""Loss from the linear correlation of a batch."""

from torch import Tensor

from orchestrator.training.losses.batch import LossBatch
from orchestrator.training.losses.registry import register_loss

# Added to both variances, in units of the squared score; negligible unless a batch is almost constant.
_FLOOR = 1e-8


@register_loss
def plcc(prediction: Tensor, batch: LossBatch) -> Tensor:
    """Compute 1 − Pearson's correlation of predictions and scores over the batch, in [0, 2].

    The loss does not depend on level and spread of the predictions; mix it with a pointwise loss if MOS units matter.
    Constant predictions, constant scores and a batch of one row have the loss 1 and a finite gradient.

    Example:
        >>> import torch
        >>> scores = torch.tensor([0.0, 1.0, 2.0])
        >>> batch = LossBatch(scores, prompt_ids=torch.zeros(3))
        >>> bool(plcc(5 * scores + 1, batch) < 1e-6), bool(plcc(-scores, batch) > 1.99)
        (True, True)
    """
    x, y = prediction - prediction.mean(), batch.target - batch.target.mean()
    variances = (x.square().mean() + _FLOOR) * (y.square().mean() + _FLOOR)
    return 1 - (x * y).mean() / variances.sqrt()
