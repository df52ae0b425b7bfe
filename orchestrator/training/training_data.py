"""Data of a training: features, scores and the rows of its split."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class TrainingData:
    """Dataset with one split, as tensors.

    Attributes:
        features: name → (N, \\*shape), float16 or float32; can be memory-mapped.
        scores: (N, T) float32, mean opinion scores in the dataset's own units.
        targets: the T names of the score columns.
        prompt_ids: (N,) int64; rows of one prompt share an id.
        train, validation, test: int64 row indices; `test` can be empty.
        stds: (N, T) float32, the raters' standard deviations in the scores' units; None if they are unknown.

    Raises:
        ValueError: shapes disagree, a row is out of range, a score is not finite, or a standard deviation is not
            finite or below 0.

    Example:
        >>> rows = torch.arange(60)
        >>> data = TrainingData(
        ...     features={"image_prompt.embedding": torch.randn(60, 8)},
        ...     scores=torch.rand(60, 1),
        ...     targets=("alignment",),
        ...     prompt_ids=rows // 3,
        ...     train=rows[:40],
        ...     validation=rows[40:50],
        ...     test=rows[50:],
        ... )
        >>> len(data.train)
        40
    """

    features: Mapping[str, Tensor]
    scores: Tensor
    targets: tuple[str, ...]
    prompt_ids: Tensor
    train: Tensor
    validation: Tensor
    test: Tensor
    stds: Tensor | None = None

    def __post_init__(self) -> None:
        rows = len(self.scores)
        if self.scores.ndim != 2 or self.scores.shape[1] != len(self.targets):
            raise ValueError(f"scores are {tuple(self.scores.shape)}, expected (N, {len(self.targets)})")
        if self.prompt_ids.shape != (rows,):
            raise ValueError(f"prompt_ids are {tuple(self.prompt_ids.shape)}, expected ({rows},)")
        for name, feature in self.features.items():
            if len(feature) != rows:
                raise ValueError(f"feature {name} has {len(feature)} rows, the scores have {rows}")
        for part in ("train", "validation", "test"):
            index: Tensor = getattr(self, part)
            if index.numel() and (int(index.min()) < 0 or int(index.max()) >= rows):
                raise ValueError(f"the {part} split names a row outside 0..{rows - 1}")
        if not len(self.train) or not len(self.validation):
            raise ValueError("the split leaves no rows to train or to validate on")
        if not bool(torch.isfinite(self.scores).all()):
            raise ValueError("a score is not finite")
        if self.stds is not None:
            if self.stds.shape != self.scores.shape:
                raise ValueError(f"stds are {tuple(self.stds.shape)}, the scores {tuple(self.scores.shape)}")
            if not bool((torch.isfinite(self.stds) & (self.stds >= 0)).all()):
                raise ValueError("a rating standard deviation is not finite or below 0")


@dataclass(frozen=True)
class ScoreScale:
    """Affine map between MOS units and the standardised scores that a model learns.

    Attributes:
        mean, std: (T,) float32 on the CPU, of the training rows; a constant score has std 1.

    Example:
        >>> scale = ScoreScale.of(torch.tensor([[1.0], [5.0]]))
        >>> scale.standardise(torch.tensor([[5.0]])), scale.restore(torch.tensor([[0.0]]))
        (tensor([[1.]]), tensor([[3.]]))
    """

    mean: Tensor
    std: Tensor

    @classmethod
    def of(cls, scores: Tensor) -> "ScoreScale":
        """Fit the scale to scores (n, T)."""
        scores = scores.double()
        std = scores.std(0, correction=0)
        return cls(scores.mean(0).float(), torch.where(std > 0, std, torch.ones_like(std)).float())

    def standardise(self, scores: Tensor) -> Tensor:
        """Convert MOS units to zero mean and unit variance."""
        return (scores - self.mean.to(scores.device)) / self.std.to(scores.device)

    def restore(self, standardised: Tensor) -> Tensor:
        """Convert standardised units to MOS units."""
        return standardised * self.std.to(standardised.device) + self.mean.to(standardised.device)
