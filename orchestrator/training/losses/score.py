"""The score loss of the paper's App. C, as it is printed and as it works."""

from torch import Tensor
from torch.nn.functional import softplus

from orchestrator.training.losses.batch import LossBatch
from orchestrator.training.losses.registry import register_loss


@register_loss
def score(prediction: Tensor, batch: LossBatch) -> Tensor:
    """Mean of −log σ(f − s), as App. C prints it. It diverges: use `score_distance` to learn scores.

    Its derivative with respect to f, −σ(s − f), is below 0 everywhere: the loss has no minimum, and every step pushes
    every prediction up, past its score and without end. Kept so that the printed loss can be tried; in a mix such as
    `mse+0.1*score` the other loss holds it, and it adds an upward bias.
    """
    return softplus(batch.target - prediction).mean()


@register_loss
def score_distance(prediction: Tensor, batch: LossBatch) -> Tensor:
    """Mean of −log σ(−|f − s|): App. C's idea, the value difference in the loss, with its minimum at f = s.

    log 2 where the prediction is right, and like the absolute error far from it.
    """
    return softplus((prediction - batch.target).abs()).mean()
