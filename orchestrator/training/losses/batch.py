"""Ratings of a batch, the second argument of every loss."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class LossBatch:
    """Ratings of B images, in standardised score units.

    A training passes all T targets; a loss receives one of them, without the last dimension.

    Attributes:
        target: mean opinion scores, (B, T), or (B,) of one target.
        prompt_ids: (B,); rows of one prompt share an id.
        std: the raters' standard deviations, shaped like `target`; None if they are unknown.

    Example:
        >>> import torch
        >>> batch = LossBatch(target=torch.zeros(4, 2), prompt_ids=torch.tensor([0, 0, 1, 1]))
        >>> batch.of_target(0).target.shape
        torch.Size([4])
    """

    target: Tensor
    prompt_ids: Tensor
    std: Tensor | None = None

    def of_target(self, column: int) -> "LossBatch":
        """Return the ratings of one target."""
        std = None if self.std is None else self.std[:, column]
        return LossBatch(self.target[:, column], self.prompt_ids, std)
