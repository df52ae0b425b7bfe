"""What a loss is told of a batch beside the predictions."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class LossBatch:
    """The ratings of B images, in standardised score units.

    A training hands over all T targets; a loss sees one of them, without the last dimension.

    Attributes:
        target: (B, T), or (B,) of one target: the mean opinion scores.
        prompt_ids: (B,); rows of one prompt share an id.
        std: shaped like `target`: the raters' standard deviations; None where nobody knows them.
    """

    target: Tensor
    prompt_ids: Tensor
    std: Tensor | None = None

    def of_target(self, column: int) -> "LossBatch":
        """One target of several."""
        std = None if self.std is None else self.std[:, column]
        return LossBatch(self.target[:, column], self.prompt_ids, std)
