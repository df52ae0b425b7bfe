"""The linear correlation of a batch."""

from torch import Tensor

from orchestrator.training.losses.batch import LossBatch
from orchestrator.training.losses.registry import register_loss

# Added to both variances, in units of the squared score: too little to be seen unless a batch is all but constant.
_FLOOR = 1e-8


@register_loss
def plcc(prediction: Tensor, batch: LossBatch) -> Tensor:
    """1 − Pearson's correlation of predictions and scores over the batch, in [0, 2].

    It leaves level and spread of the predictions free: mix it with a pointwise loss where MOS units matter.
    Constant predictions, constant scores and a batch of one row have the loss 1 and a finite gradient.
    """
    x, y = prediction - prediction.mean(), batch.target - batch.target.mean()
    variances = (x.square().mean() + _FLOOR) * (y.square().mean() + _FLOOR)
    return 1 - (x * y).mean() / variances.sqrt()
