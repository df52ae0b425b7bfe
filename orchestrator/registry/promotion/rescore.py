"""Scores of a saved model, made again for its own test images or for those of another model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from orchestrator.data.progress import Progress, silent
from orchestrator.registry.promotion.stored_feature_scores import score_stored
from orchestrator.registry.promotion.sweep_dataset import AvailableDataset
from orchestrator.registry.promotion.sweep_results import rows_of_test, targets_of
from orchestrator.registry.verify_scores import ScoreDifferences, compare_scores

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from orchestrator.data import Dataset


@dataclass(frozen=True)
class ScoreCheck:
    """Result of scoring the test images of a candidate again.

    Attributes:
        reason: why they could not be scored; empty if they were.
        from_images: differences of scores made from the images; None if they could not be scored.
        from_features: the same of the stored features that the training read; None if they are not on this machine.
        logged: test SRCC in MLflow, the mean over targets.
    """

    reason: str = ""
    from_images: ScoreDifferences | None = None
    from_features: ScoreDifferences | None = None
    logged: float = math.nan

    @property
    def again(self) -> float:
        """Test SRCC of the new scores, the mean over targets; from the stored features if they are on this machine."""
        closest = self.from_features or self.from_images
        return fmean(metrics["srcc"] for metrics in closest.again.values()) if closest else math.nan

    @property
    def exact(self) -> bool:
        """True if all scores and the SRCC from the stored features are bit for bit the same."""
        features = self.from_features
        return features is not None and not any(features.largest.values()) and abs(self.logged - self.again) < 1e-12

    @property
    def within(self) -> bool:
        """True if the logged SRCC is that of the recorded scores, and no score differs by more than the tolerance."""
        if self.from_images is None:
            return False
        recorded = fmean(metrics["srcc"] for metrics in self.from_images.recorded.values())
        checked = [part for part in (self.from_images, self.from_features) if part is not None]
        return math.isclose(self.logged, recorded, abs_tol=1e-6) and all(part.within for part in checked)


class CannotScore(Exception):
    """Raised if a saved model cannot score these images; the message is the reason."""


def check_scores(
    folder: Path,
    table: pd.DataFrame,
    logged: float,
    data: AvailableDataset,
    threads: int = 1,
    progress: Progress = silent,
) -> ScoreCheck:
    """Score the test images of a table of predictions again, from the images and from stored features.

    Args:
        folder: folder of the saved scorer.
        table: the run's predictions.
        logged: its test SRCC in MLflow.
        data: its data set.
        threads: number of threads of its training.
        progress: receives the number of images scored.
    """
    from orchestrator.scoring.save_load import read_config

    recorded = rows_of_test(table)
    if data.dataset is None:
        return ScoreCheck(data.reason)
    try:
        names = list(recorded["name"])
        rows = score_rows(folder, data.dataset, names, progress)  # first, since it explains unreadable files
        features = score_stored(folder, data.dataset, names, threads)
        config = read_config(folder)
    except (CannotScore, ValueError, KeyError) as error:
        return ScoreCheck(str(error))
    columns = [f"predicted_{target}" for target in config.targets]
    if missing := set(targets_of(table)).symmetric_difference(config.targets):
        return ScoreCheck(f"the saved model and its recorded predictions differ in {', '.join(sorted(missing))}")

    def compared(scores: NDArray[np.float32]) -> ScoreDifferences:
        return compare_scores(recorded, scores, config.targets, config.score_std)

    return ScoreCheck(
        from_images=compared(rows[columns].to_numpy(np.float32)),
        from_features=None if features is None else compared(features),
        logged=logged,
    )


def score_rows(folder: Path, dataset: Dataset, names: Sequence[str], progress: Progress = silent) -> pd.DataFrame:
    """Return a saved model's scores of some images of a data set, as a table of predictions with the part "test".

    Raises:
        CannotScore: the model cannot be loaded, or an image cannot be read.
    """
    from orchestrator.scoring import ModelLoadError, load_scorer
    from orchestrator.scoring.scored_batch import REASON

    by_name = dataset.table.assign(prompt_id=dataset.prompt_ids).set_index("name")
    missing = [name for name in names if name not in by_name.index]
    if missing:
        raise CannotScore(f"{dataset.name} has no image {missing[0]}")
    rows = by_name.loc[list(names)].reset_index()
    try:
        scorer = load_scorer(folder)
        criteria = list(rows["criteria"]) if "criteria" in rows else None
        scored = scorer(list(rows["image"]), list(rows["prompt"]), criteria, progress)
    except (ModelLoadError, ValueError, OSError) as error:
        raise CannotScore(f"the saved model cannot score them: {error}") from error
    if scored[REASON].notna().any():
        image, why = scored.loc[scored[REASON].notna(), ["image", REASON]].iloc[0]
        raise CannotScore(f"the saved model cannot score {image}: {why}")
    columns = {"part": "test", "name": rows["name"], "prompt_id": rows["prompt_id"], "generator": rows["generator"]}
    table = pd.DataFrame(columns)
    for target in scorer.config.targets:
        if target in dataset.targets:
            table[target] = rows[target]
            table[f"predicted_{target}"] = scored[target]
    return table
