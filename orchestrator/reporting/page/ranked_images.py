"""Choice of the images that a report shows: the worst misses and the best ranked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from orchestrator.reporting.page.run_predictions import RunPredictions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]

COUNT = 12


@dataclass(frozen=True)
class ScoreAndRank:
    """A score of an image, in its units, and the ranks among the test images: 1 is the highest, ties share the mean."""

    rated: float
    predicted: float
    rated_rank: float
    predicted_rank: float


@dataclass(frozen=True)
class ScoredImage:
    """A test image with its name, prompt and generator as they are written, and target → score and ranks."""

    name: str
    prompt: str
    generator: str
    scores: dict[str, ScoreAndRank]


def worst_misses(found: RunPredictions, count: int = COUNT) -> list[ScoredImage]:
    """Return the images whose predicted rank is farthest from their rated rank, in whichever score that is.

    SRCC is a correlation of ranks, so these are the images that cost the most of it. A residual in the units of the
    score would mostly find extreme scores, which every model underrates or overrates.
    """
    ranks = _ranks(found)
    differences = np.max([np.abs(predicted - rated) for rated, predicted in ranks.values()], axis=0)
    return [_image(found, ranks, int(row)) for row in np.argsort(-differences, kind="stable")[:count]]


def best_ranked(found: RunPredictions, count: int = COUNT) -> list[ScoredImage]:
    """Return the images with the highest predictions; with several scores, the highest mean rank over them."""
    ranks = _ranks(found)
    mean = np.mean([predicted for _, predicted in ranks.values()], axis=0)
    return [_image(found, ranks, int(row)) for row in np.argsort(mean, kind="stable")[:count]]


def _ranks(found: RunPredictions) -> dict[str, tuple[FloatArray, FloatArray]]:
    """Return target → ranks of the rated and of the predicted scores, (N,) each."""

    def ranks(column: str) -> FloatArray:
        return np.asarray(found.table[column].rank(ascending=False), dtype=np.float64)

    return {target: (ranks(target), ranks(f"predicted_{target}")) for target in found.targets}


def _image(found: RunPredictions, ranks: dict[str, tuple[FloatArray, FloatArray]], row: int) -> ScoredImage:
    values = found.table.iloc[row]
    scores = {
        target: ScoreAndRank(
            float(values[target]), float(values[f"predicted_{target}"]), float(rated[row]), float(predicted[row])
        )
        for target, (rated, predicted) in ranks.items()
    }
    return ScoredImage(str(values["name"]), str(values["prompt"]), str(values["generator"]), scores)
