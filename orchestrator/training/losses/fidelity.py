"""Fidelity loss: compares true and predicted probabilities that one image is rated above another."""

import torch
from torch import Tensor
from torch.special import log_ndtr

from orchestrator.training.losses.batch import LossBatch
from orchestrator.training.losses.registry import register_loss

# In standardised score units. If all raters agree, p is 0 or 1; this lower bound keeps the gradient above 0.
_LEAST_SPREAD = 0.1
# In spreads. Beyond it √p̂ and its gradient are 0 in float32, and the logarithm would overflow.
_CERTAIN = 25.0


@register_loss(needs_std=True)
def fidelity(prediction: Tensor, batch: LossBatch) -> Tensor:
    """Average 1 − √(p·p̂) − √((1−p)(1−p̂)) over the pairs of the batch, in [0, 1]; 0 without a pair.

    p = Φ((s_i − s_j) / √(σ_i² + σ_j²)) is the probability that i is rated above j (Thurstone's model). s are the mean
    opinion scores and σ the raters' standard deviations. p̂ is the probability with predictions in place of s. Tsai et
    al., "FRank", SIGIR 2007; for image quality Zhang et al., "UNIQUE", IEEE TIP 2021, and "LIQE", CVPR 2023.

    As in these papers, all pairs of a batch count, within a prompt and across prompts: the scores of a data set share
    a scale. UNIQUE predicts the σ of p̂ and LIQE sets it to 1. Here it is the raters' σ, so that the loss is 0 for
    f = s and agrees with a pointwise loss in a mix.

    Raises:
        ValueError: the batch has no standard deviations.

    Example:
        >>> scores = torch.tensor([0.0, 1.0, 2.0])
        >>> batch = LossBatch(scores, prompt_ids=torch.zeros(3), std=torch.ones(3))
        >>> bool(fidelity(scores, batch).abs() < 1e-6), bool(fidelity(-scores, batch) > 0.1)
        (True, True)
    """
    if batch.std is None:
        raise ValueError("the fidelity loss needs the raters' standard deviations")
    i, j = torch.triu_indices(len(prediction), len(prediction), offset=1, device=prediction.device)
    spread = torch.hypot(batch.std[i], batch.std[j]).clamp(min=_LEAST_SPREAD)
    true, predicted = (((x[i] - x[j]) / spread).clamp(-_CERTAIN, _CERTAIN) for x in (batch.target, prediction))
    # Roots of products as exponentials of sums of logarithms: √p̂ itself has an infinite gradient at 0.
    above = torch.exp((log_ndtr(true) + log_ndtr(predicted)) / 2)
    below = torch.exp((log_ndtr(-true) + log_ndtr(-predicted)) / 2)
    return (1 - above - below).sum() / max(1, len(i))
