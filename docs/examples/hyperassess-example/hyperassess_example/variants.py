"""The variant `gated_head`: a model of its own, without a hypernet."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from models.registry import register_variant


class GatedHead(nn.Module):
    """Score the image-aware prompt embedding by a linear layer whose inputs the prompt switches on and off.

    Args:
        width: Width of the image-aware prompt embedding.
        prompt_width: Width of the prompt embedding.
        n_targets: Number of scores.
        dropout: Probability of dropping an input value in training.
    """

    reads = ("image_prompt.embedding", "prompt.embedding")

    def __init__(self, width: int, prompt_width: int, n_targets: int, dropout: float) -> None:
        super().__init__()
        self.gate = nn.Linear(prompt_width, width)
        self.score = nn.Linear(width, n_targets)
        self.dropout = nn.Dropout(dropout)
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("std", torch.ones(width))

    def calibrate(self, features: Mapping[str, Tensor]) -> None:
        """Measure mean and deviation of the inputs on the training rows, (N, width)."""
        values = features["image_prompt.embedding"].float()
        self.mean.copy_(values.mean(0))
        self.std.copy_(values.std(0).clamp(min=1e-6))

    def forward(self, features: Mapping[str, Tensor]) -> Tensor:
        """Return the scores of a batch, (B, n_targets), in standardised units."""
        values = (features["image_prompt.embedding"].float() - self.mean) / self.std
        gate = torch.sigmoid(self.gate(features["prompt.embedding"].float()))
        return self.score(self.dropout(values) * gate)


@register_variant(
    hypernet_sees=(),
    target_net_sees=("image_prompt.embedding", "prompt.embedding"),
    targets=("alignment",),
)
def gated_head(shapes: Mapping[str, tuple[int, ...]], *, n_targets: int, dropout: float = 0.3) -> GatedHead:
    """Prompt embedding → a gate for each value of the image-aware prompt embedding, which a linear layer scores."""
    (width,), (prompt_width,) = shapes["image_prompt.embedding"], shapes["prompt.embedding"]
    return GatedHead(width, prompt_width, n_targets, dropout)
