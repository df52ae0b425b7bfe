"""A saved model scores images again: those it was tested on, or another model's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from orchestrator.data.progress import Progress, silent
from orchestrator.registry.promotion.dataset import AvailableDataset
from orchestrator.registry.promotion.stored_feature_scores import score_stored
from orchestrator.registry.promotion.sweep_results import rows_of_test, targets_of
from orchestrator.training.metrics import srcc

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from orchestrator.data import Dataset

TOLERANCE = 1e-3
"""Of a score, as a share of the test scores' standard deviation: what other processors and libraries may change."""

_FIGURE_TOLERANCE = 1e-3


@dataclass(frozen=True)
class ScoreCheck:
    """Scores of the test images then and again.

    Attributes:
        reason: why they could not be had again; empty where they could.
        images: how many there are.
        largest: largest difference of a score made from the images, in MOS units.
        stored: the same of scores made from the stored features, which the training read; None where none are here.
        tolerance: what it may be, in MOS units.
        logged, again: test SRCC, the mean over targets, as logged and of the scores made again, from the stored
            features where they are here.
    """

    reason: str = ""
    images: int = 0
    largest: float = math.nan
    stored: float | None = None
    tolerance: float = math.nan
    logged: float = math.nan
    again: float = math.nan

    @property
    def exact(self) -> bool:
        """Whether every score and the figure are the same, bit for bit, from the features that the training read."""
        return self.stored == 0 and abs(self.logged - self.again) < 1e-12

    @property
    def within(self) -> bool:
        """Whether nothing differs by more than the tolerance."""
        closest = self.largest <= self.tolerance and abs(self.logged - self.again) <= _FIGURE_TOLERANCE
        return closest and (self.stored is None or self.stored <= self.tolerance)


class CannotScore(Exception):
    """A saved model does not score these images, and why."""


def reproduce(
    folder: Path,
    table: pd.DataFrame,
    logged: float,
    data: AvailableDataset,
    threads: int = 1,
    progress: Progress = silent,
) -> ScoreCheck:
    """Scores the test images of a table of predictions again.

    Args:
        folder: the saved scorer.
        table: the run's predictions.
        logged: its test SRCC, as MLflow has it.
        data: its data set.
        threads: of its training.
        progress: told while images are scored.
    """
    then = rows_of_test(table)
    if data.dataset is None:
        return ScoreCheck(data.reason)
    try:
        now = score_rows(folder, data.dataset, list(then["name"]), progress)  # says what is wrong with the files
        stored = score_stored(folder, data.dataset, list(then["name"]), threads)
    except (CannotScore, ValueError, KeyError) as error:
        return ScoreCheck(str(error))
    targets = targets_of(table)
    columns = [f"predicted_{target}" for target in targets]
    if missing := [column for column in columns if column not in now]:
        return ScoreCheck(f"the saved model gives no {missing[0].removeprefix('predicted_')}")
    # Scores are float32; a table has their shortest decimal form.
    before, after = (rows[columns].to_numpy(np.float32) for rows in (then, now))
    scores = after if stored is None else stored
    return ScoreCheck(
        images=len(then),
        largest=_largest(before, after),
        stored=None if stored is None else _largest(before, stored),
        tolerance=TOLERANCE * float(min(then[target].std(ddof=0) for target in targets)),
        logged=logged,
        again=float(np.mean([srcc(scores[:, column], then[target]) for column, target in enumerate(targets)])),
    )


def _largest(before: NDArray[np.float32], after: NDArray[np.float32]) -> float:
    return float(np.abs(before.astype(np.float64) - after).max())


def score_rows(folder: Path, dataset: Dataset, names: Sequence[str], progress: Progress = silent) -> pd.DataFrame:
    """A saved model's scores of some of a data set's images, as a table of predictions with the part "test".

    Raises:
        CannotScore: it cannot be loaded here, or an image cannot be read.
    """
    from orchestrator.scoring import ModelLoadError, load_scorer
    from orchestrator.scoring.scorer import REASON

    by_name = dataset.table.assign(prompt_id=dataset.prompt_ids).set_index("name")
    missing = [name for name in names if name not in by_name.index]
    if missing:
        raise CannotScore(f"{dataset.name} here has no image {missing[0]}")
    rows = by_name.loc[list(names)].reset_index()
    try:
        scorer = load_scorer(folder)
        criteria = list(rows["criteria"]) if "criteria" in rows else None
        scored = scorer(list(rows["image"]), list(rows["prompt"]), criteria, progress)
    except (ModelLoadError, ValueError, OSError) as error:
        raise CannotScore(f"the saved model does not score them: {error}") from error
    if scored[REASON].notna().any():
        image, why = scored.loc[scored[REASON].notna(), ["image", REASON]].iloc[0]
        raise CannotScore(f"the saved model does not score them: {image}: {why}")
    columns = {"part": "test", "name": rows["name"], "prompt_id": rows["prompt_id"], "generator": rows["generator"]}
    table = pd.DataFrame(columns)
    for target in scorer.config.targets:
        if target in dataset.targets:
            table[target] = rows[target]
            table[f"predicted_{target}"] = scored[target]
    return table
