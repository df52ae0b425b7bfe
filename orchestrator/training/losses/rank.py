"""The order of the images of one prompt."""

import torch
from torch import Tensor
from torch.nn.functional import softplus

from orchestrator.training.losses.batch import LossBatch
from orchestrator.training.losses.registry import register_loss


@register_loss
def rank(prediction: Tensor, batch: LossBatch) -> Tensor:
    """Mean over pairs (i, j) of one prompt with i scored above j of −log σ(f_i − f_j); 0 without a pair.

    The paper's App. C, after ImageReward. The paper prints i twice; −log σ(f_i − f_i) is log 2 whatever the model
    says and has no gradient, so there is nothing to train with and that reading has no name here.
    Batches need several images of a prompt: see `FitSettings.prompt_grouped`.
    """
    same_prompt = batch.prompt_ids[:, None] == batch.prompt_ids[None, :]
    above = (batch.target[:, None] > batch.target[None, :]) & same_prompt
    # softplus(-x) = -log sigmoid(x) without its overflow; a masked sum keeps shapes fixed and avoids a sync.
    losses = softplus(prediction[None, :] - prediction[:, None])
    return torch.where(above, losses, 0.0).sum() / above.sum().clamp(min=1)
