"""Score loss of the paper's App. C: the printed form, which diverges, and a form that works."""

from torch import Tensor
from torch.nn.functional import softplus

from orchestrator.training.losses.batch import LossBatch
from orchestrator.training.losses.registry import register_loss


@register_loss
def score(prediction: Tensor, batch: LossBatch) -> Tensor:
    """Average −log σ(f − s), as printed in App. C. It diverges: use `score_distance` to learn scores.

    Its derivative with respect to f, −σ(s − f), is below 0 everywhere. So the loss has no minimum, and every step
    increases every prediction, past its score and without bound. The loss is registered so that the printed form can
    be tried. In a mix such as `mse+0.1*score` the other loss bounds it, and it adds an upward bias.

    Example:
        >>> import torch
        >>> batch = LossBatch(torch.zeros(2), prompt_ids=torch.zeros(2))
        >>> score(torch.zeros(2), batch), bool(score(torch.ones(2), batch) < score(torch.zeros(2), batch))
        (tensor(0.6931), True)
    """
    return softplus(batch.target - prediction).mean()


@register_loss
def score_distance(prediction: Tensor, batch: LossBatch) -> Tensor:
    """Average −log σ(−|f − s|): App. C's idea, the value difference in the loss, with its minimum at f = s.

    The loss is log 2 for an exact prediction and grows like the absolute error.

    Example:
        >>> import torch
        >>> score_distance(torch.zeros(2), LossBatch(torch.zeros(2), prompt_ids=torch.zeros(2)))
        tensor(0.6931)
    """
    return softplus((prediction - batch.target).abs()).mean()
