"""Pairwise ranking loss within prompts."""

from torch import Tensor
from torch.nn.functional import softplus

from orchestrator.training.losses.batch import LossBatch
from orchestrator.training.losses.registry import register_loss


@register_loss
def rank(prediction: Tensor, batch: LossBatch) -> Tensor:
    """Average −log σ(f_i − f_j) over pairs (i, j) of one prompt with i scored above j; 0 without a pair.

    Source: the paper's App. C, after ImageReward. The paper prints i twice. −log σ(f_i − f_i) is log 2 for every
    model and has no gradient, so that version cannot be trained with and is not registered.
    Batches need several images of a prompt; see `FitSettings.prompt_grouped`.

    Example:
        >>> import torch
        >>> batch = LossBatch(torch.tensor([0.0, 1.0, 5.0]), prompt_ids=torch.tensor([0, 0, 1]))
        >>> rank(torch.tensor([0.0, 0.0, 9.0]), batch)
        tensor(0.6931)
    """
    same_prompt = batch.prompt_ids[:, None] == batch.prompt_ids[None, :]
    above = (batch.target[:, None] > batch.target[None, :]) & same_prompt
    # softplus(-x) = -log sigmoid(x) without its overflow; a masked sum keeps shapes fixed and avoids a sync.
    losses = softplus(prediction[None, :] - prediction[:, None])
    # As floats, since a sum of booleans takes longer than the loss.
    pairs = above.to(losses.dtype)
    return (pairs * losses).sum() / pairs.sum().clamp(min=1)
