"""Scores of some images, and the columns that they become in a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.scoring.marks import UNLIKE, add_marks, out_of_range, range_column
from orchestrator.scoring.percentiles import percentiles

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from orchestrator.scoring.model_config import ModelConfig

REASON = "reason"
"""Name of the column with the reason why an image has no scores."""


@dataclass(frozen=True, eq=False)
class ScoredBatch:
    """Scores of n images.

    Attributes:
        scores: (n, T) in MOS units, NaN for an image that cannot be read.
        reasons: n reasons why an image has no scores, None if it has.
        unlike: whether each image is unlike the training's, (n,); False if that is unknown.

    Example:
        >>> batch = ScoredBatch.unscored(2, targets=1)
        >>> batch.scores.shape, batch.reasons
        ((2, 1), [None, None])
    """

    scores: NDArray[np.float32]
    reasons: list[str | None]
    unlike: NDArray[np.bool_]

    @classmethod
    def unscored(cls, images: int, targets: int) -> ScoredBatch:
        """Return a batch whose scores are NaN, to be filled in."""
        import numpy as np

        return cls(np.full((images, targets), np.nan, np.float32), [None] * images, np.zeros(images, bool))

    @classmethod
    def concatenated(cls, batches: Sequence[ScoredBatch]) -> ScoredBatch:
        """Return several batches as one."""
        import numpy as np

        reasons = [reason for batch in batches for reason in batch.reasons]
        scores, unlike = ([getattr(batch, name) for batch in batches] for name in ("scores", "unlike"))
        return cls(np.concatenate(scores), reasons, np.concatenate(unlike))

    def add_to(self, table: pd.DataFrame, config: ModelConfig, unlike: Mapping[str, NDArray[np.bool_]]) -> pd.DataFrame:
        """Append columns to a table of n rows: scores, percentiles, reasons, marks.

        Args:
            table: the images and prompts.
            config: the model's configuration; percentiles and range need its `mos_quantiles`.
            unlike: "image" and "prompt" → whether each row's is unlike the training's, (n,), if that is known.
        """
        import pandas as pd

        marks: dict[str, NDArray[np.bool_]] = {}
        for column, target in enumerate(config.targets):
            table[target] = self.scores[:, column]
        for column, target in enumerate(config.targets):
            if quantiles := config.mos_quantiles.get(target):
                table[f"{target}_percentile"] = percentiles(self.scores[:, column], quantiles)
                marks[range_column(target)] = out_of_range(self.scores[:, column], quantiles)
        table[REASON] = pd.Series(self.reasons, dtype=object)
        marks |= {UNLIKE[kind]: unlike[kind] for kind in UNLIKE if kind in unlike}
        return add_marks(table, marks, [reason is None for reason in self.reasons])
