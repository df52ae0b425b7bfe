"""Comparison of a saved model's recorded test scores with scores made again from the images."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.core.errors import InputError
from orchestrator.data.progress import Progress, silent
from orchestrator.registry.resolved_model import ResolvedModel

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from orchestrator.scoring import Scorer

TOLERANCE = 0.01
"""Largest change of a score that counts as the same, in standard deviations of the training scores.

Rounding convolutions to TF32, PyTorch's default on GPUs, changed scores by up to 0.009, other CPU kernels by 0.00002.
A change of 5 % of the pixels by one level changed them by up to 0.1.
"""


@dataclass(frozen=True)
class ScoreDifferences:
    """Recorded and new scores of the same images.

    Attributes:
        images: number of images.
        largest, mean: absolute difference of a score, target → MOS units.
        tolerance: largest difference allowed, target → MOS units.
        recorded, again: SRCC and PLCC of the recorded and of the new scores, target → metric → value.
    """

    images: int
    largest: Mapping[str, float]
    mean: Mapping[str, float]
    tolerance: Mapping[str, float]
    recorded: Mapping[str, Mapping[str, float]]
    again: Mapping[str, Mapping[str, float]]

    @property
    def within(self) -> bool:
        """True if no score differs by more than the tolerance; False without images."""
        return all(self.largest[target] <= self.tolerance[target] for target in self.largest)

    @property
    def worst(self) -> str:
        """The target whose largest difference is closest to its tolerance, or furthest above it."""
        return max(self.largest, key=lambda target: self.largest[target] / self.tolerance[target])


@dataclass(frozen=True)
class ScoreVerification:
    """Result of `score --check`.

    Attributes:
        dataset: data set of the test images.
        images: number of test images.
        missing: names of test images that are missing now or cannot be read.
        differences: recorded and new scores of the others.
    """

    dataset: str
    images: int
    missing: tuple[str, ...]
    differences: ScoreDifferences

    @property
    def passed(self) -> bool:
        """True if no test image is missing and no score differs by more than the tolerance."""
        return not self.missing and self.differences.within

    def as_dict(self) -> dict[str, Any]:
        """Return the result for JSON."""
        figures = {key: value for key, value in asdict(self.differences).items() if key != "images"}
        return {"dataset": self.dataset, "images": self.images, "missing": self.missing, **figures}


def compare_scores(
    recorded: pd.DataFrame, again: NDArray[np.floating[Any]], targets: Sequence[str], score_std: Sequence[float]
) -> ScoreDifferences:
    """Compare recorded scores with new ones of the same images.

    Args:
        recorded: n rows with the columns `<target>`, the true score, and `predicted_<target>`.
        again: new scores, (n, T), in the order of the rows and of `targets`.
        targets: T names of scores.
        score_std: T standard deviations of the training scores.
    """
    import numpy as np

    from orchestrator.training.metrics import correlations

    largest: dict[str, float] = {}
    mean: dict[str, float] = {}
    metrics: tuple[dict[str, dict[str, float]], ...] = ({}, {})
    for column, target in enumerate(targets):
        # Scores are float32; a table holds their shortest decimal form.
        before = recorded[f"predicted_{target}"].to_numpy(np.float32)
        after = again[:, column].astype(np.float32)
        apart = np.abs(before.astype(np.float64) - after)
        largest[target] = float(apart.max()) if len(apart) else math.nan
        mean[target] = float(apart.mean()) if len(apart) else math.nan
        for found, predicted in zip(metrics, (before, after), strict=True):
            values = correlations(predicted, recorded[target].to_numpy())
            found[target] = {"srcc": values.srcc, "plcc": values.plcc}
    tolerance = {target: TOLERANCE * std for target, std in zip(targets, score_std, strict=True)}
    return ScoreDifferences(len(recorded), largest, mean, tolerance, *metrics)


def verify_scores(
    model: ResolvedModel, scorer: Scorer, dataset: str | None, data_root: Path | None, progress: Progress = silent
) -> ScoreVerification:
    """Score the test images of a model's own table of predictions again, and compare.

    Args:
        model: the model.
        scorer: scorer loaded from it.
        dataset: data set with the images; by default, the one it was trained on.
        data_root: folder of the data set.
        progress: receives the number of images read and scored.

    Raises:
        InputError: the model has no predictions or those of another model, all its test images are missing, or the
            data set cannot be read.
    """
    from orchestrator.data.registry import read_dataset

    recorded = _test_rows(model)
    targets = scorer.config.targets
    needed = [name for target in targets for name in (target, f"predicted_{target}")]
    needed += ["criteria"] if scorer.needs_criteria else []
    if lacking := [column for column in needed if column not in recorded]:
        raise InputError(f"The test predictions of {model.name} lack {', '.join(lacking)}: they are of another model.")
    source = dataset or model.about.get("dataset")
    if not source:
        raise InputError(f"The model {model.name} does not record what it was tested on: give --dataset.")
    # The columns that were named are those of a table, not of another kind of data set.
    same_kind = source.partition(":")[0] == str(model.about.get("dataset", "")).partition(":")[0]
    raw = read_dataset(source, data_root, progress, model.about.get("columns", ()) if same_kind else ())
    paths = dict(zip(raw.table["name"], raw.table["image"], strict=True))
    present = recorded[recorded["name"].isin(list(paths))].reset_index(drop=True)
    if present.empty:
        raise InputError(f"None of the {len(recorded)} test images of {model.name} is in {source}.")
    criteria = list(present["criteria"]) if "criteria" in present else None
    scores = scorer([paths[name] for name in present["name"]], list(present["prompt"]), criteria, progress=progress)
    scored = scores["reason"].isna()
    missing = (*recorded["name"][~recorded["name"].isin(list(paths))], *present["name"][~scored])
    again = scores.loc[scored, list(targets)].to_numpy("float64")
    differences = compare_scores(present[scored], again, targets, scorer.config.score_std)
    return ScoreVerification(source, len(recorded), missing, differences)


def _test_rows(model: ResolvedModel) -> pd.DataFrame:
    from orchestrator.data.read_table import numbers, read_table

    if model.predictions is None:
        raise InputError(f"The model {model.name} has no test predictions, so there is nothing to compare with.")
    table = read_table(model.predictions, ["part", "name"])
    if "prompt" not in table:
        raise InputError(f"{model.name} was saved by an earlier version, without prompts: it cannot be checked.")
    rows = table[table["part"] == "test"].reset_index(drop=True)
    for predicted in [column for column in rows if str(column).startswith("predicted_")]:
        for column in {predicted, str(predicted).removeprefix("predicted_")} & set(rows):
            rows[column] = numbers(rows[column])
    return rows
