"""How alike the true and the predicted odds are that one image is rated above another."""

import torch
from torch import Tensor
from torch.special import log_ndtr

from orchestrator.training.losses.batch import LossBatch
from orchestrator.training.losses.registry import register_loss

# In standardised score units: where raters all agree a comparison is certain, but must leave a slope to learn from.
_LEAST_SPREAD = 0.1
# In spreads. Beyond it √p̂ and its slope are 0 in float32, and the logarithm would overflow.
_CERTAIN = 25.0


@register_loss(needs_std=True)
def fidelity(prediction: Tensor, batch: LossBatch) -> Tensor:
    """Mean over the pairs of the batch of 1 − √(p·p̂) − √((1−p)(1−p̂)), in [0, 1]; 0 without a pair.

    p = Φ((s_i − s_j) / √(σ_i² + σ_j²)) is the probability that i is rated above j, from the mean opinion scores s and
    the raters' standard deviations σ (Thurstone's model); p̂ is the same of the predictions. Tsai et al., "FRank",
    SIGIR 2007; for image quality Zhang et al., "UNIQUE", IEEE TIP 2021, and "LIQE", CVPR 2023.

    As there, all pairs of a batch count, of one prompt or of two: the scores of one data set share a scale. UNIQUE
    predicts the σ of p̂ and LIQE holds it at 1; here it is the raters', so that the loss is 0 for f = s and agrees with
    a pointwise loss in a mix.
    """
    if batch.std is None:
        raise ValueError("the fidelity loss needs the raters' standard deviations")
    i, j = torch.triu_indices(len(prediction), len(prediction), offset=1, device=prediction.device)
    spread = torch.hypot(batch.std[i], batch.std[j]).clamp(min=_LEAST_SPREAD)
    true, predicted = (((x[i] - x[j]) / spread).clamp(-_CERTAIN, _CERTAIN) for x in (batch.target, prediction))
    # Roots of products as exponentials of sums of logarithms: √p̂ itself has an infinite slope at 0.
    above = torch.exp((log_ndtr(true) + log_ndtr(predicted)) / 2)
    below = torch.exp((log_ndtr(-true) + log_ndtr(-predicted)) / 2)
    return (1 - above - below).sum() / max(1, len(i))
