"""The order of the images of one prompt."""

import torch
from torch import Tensor
from torch.nn.functional import softplus

from orchestrator.training.losses.registry import register_loss


@register_loss
def rank(prediction: Tensor, target: Tensor, prompt_ids: Tensor) -> Tensor:
    """Mean over pairs (i, j) of one prompt with i scored above j of −log σ(f_i − f_j); 0 without a pair.

    The paper's App. C (which prints i twice), after ImageReward. Every target has its own pairs.
    Batches need several images of a prompt: see `FitSettings.prompt_grouped`.
    """
    same_prompt = prompt_ids[:, None] == prompt_ids[None, :]
    above = (target[:, None] > target[None, :]) & same_prompt[..., None]
    # softplus(-x) = -log sigmoid(x) without its overflow; a masked sum keeps shapes fixed and avoids a sync.
    losses = softplus(prediction[None, :] - prediction[:, None])
    return torch.where(above, losses, 0.0).sum() / above.sum().clamp(min=1)
