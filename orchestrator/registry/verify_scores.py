"""A saved model scores its test images again: do its figures come out of what was given away?"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.core.errors import InputError
from orchestrator.data.progress import Progress, silent
from orchestrator.registry.resolved_model import ResolvedModel

if TYPE_CHECKING:
    import pandas as pd

    from orchestrator.scoring import Scorer

TOLERANCE = 0.01
"""Of a score, as a share of the standard deviation of the training scores: what another processor, library or reader
of JPEG may change of a feature that is rounded to float16. Two raters differ by a hundred times that."""


@dataclass(frozen=True)
class ScoreVerification:
    """Scores of the test images then and now.

    Attributes:
        dataset: that they are of.
        images: how many there are.
        missing: names of test images that are not there now, or cannot be read.
        largest, mean: difference of a score, target → MOS units.
        tolerance: what the largest may be, target → MOS units.
        recorded, again: SRCC and PLCC, target → figure → value.
    """

    dataset: str
    images: int
    missing: tuple[str, ...]
    largest: Mapping[str, float]
    mean: Mapping[str, float]
    tolerance: Mapping[str, float]
    recorded: Mapping[str, Mapping[str, float]]
    again: Mapping[str, Mapping[str, float]]

    @property
    def passed(self) -> bool:
        """Whether every test image was there and no score differs by more than the tolerance."""
        return not self.missing and all(self.largest[target] <= self.tolerance[target] for target in self.largest)


def check_model(
    found: ResolvedModel, scorer: Scorer, dataset: str | None, data_root: Path | None, progress: Progress = silent
) -> ScoreVerification:
    """Scores the test images of a model's own table of predictions.

    Args:
        found: the model.
        scorer: made of it.
        dataset: that the images are of, where it is not named as it was for training.
        data_root: folder with the data set.
        progress: told while images are read and scored.

    Raises:
        InputError: the model has no predictions, or another model's, none of its test images is there, or the data
            set cannot be read.
    """
    from orchestrator.data.registry import read_dataset

    wanted = _test_rows(found)
    needed = [name for target in scorer.config.targets for name in (target, f"predicted_{target}")]
    needed += ["criteria"] if scorer.needs_criteria else []
    if lacking := [column for column in needed if column not in wanted]:
        raise InputError(f"The test predictions of {found.name} lack {', '.join(lacking)}: they are not this model's.")
    named = dataset or found.about.get("dataset")
    if not named:
        raise InputError(f"The model {found.name} does not say what it was tested on: give --dataset.")
    raw = read_dataset(named, data_root, progress)
    paths = dict(zip(raw.table["name"], raw.table["image"], strict=True))
    there = wanted[wanted["name"].isin(list(paths))].reset_index(drop=True)
    if there.empty:
        raise InputError(f"None of the {len(wanted)} test images of {found.name} is in {named}.")
    criteria = list(there["criteria"]) if "criteria" in there else None
    now = scorer([paths[name] for name in there["name"]], list(there["prompt"]), criteria, progress=progress)
    unread = list(there["name"][now["reason"].notna()])
    missing = [*wanted["name"][~wanted["name"].isin(list(paths))], *unread]
    return _compared(named, len(wanted), tuple(missing), there, now, scorer)


def _compared(
    dataset: str, images: int, missing: tuple[str, ...], then: pd.DataFrame, now: pd.DataFrame, scorer: Scorer
) -> ScoreVerification:
    from orchestrator.training.metrics import correlations

    scored = now["reason"].isna()
    largest: dict[str, float] = {}
    mean: dict[str, float] = {}
    recorded: dict[str, dict[str, float]] = {}
    again: dict[str, dict[str, float]] = {}
    for target in scorer.config.targets:
        before, after = then[f"predicted_{target}"][scored], now[target][scored].astype("float64")
        apart = (before - after).abs()
        largest[target] = float(apart.max()) if len(apart) else math.nan
        mean[target] = float(apart.mean())
        for figures, predicted in ((recorded, before), (again, after)):
            found = correlations(predicted.to_numpy(), then[target][scored].to_numpy())
            figures[target] = {"srcc": found.srcc, "plcc": found.plcc}
    spread = dict(zip(scorer.config.targets, scorer.config.score_std, strict=True))
    allowed = {target: TOLERANCE * std for target, std in spread.items()}
    return ScoreVerification(dataset, images, missing, largest, mean, allowed, recorded, again)


def _test_rows(found: ResolvedModel) -> pd.DataFrame:
    from orchestrator.data.read_table import numbers, read_table

    if found.predictions is None:
        raise InputError(
            f"The model {found.name} comes without its test predictions: there is nothing to compare with."
        )
    table = read_table(found.predictions, ["part", "name"])
    if "prompt" not in table:
        raise InputError(f"{found.name} was saved by an earlier version, without prompts: it cannot be checked.")
    rows = table[table["part"] == "test"].reset_index(drop=True)
    for predicted in [column for column in rows if str(column).startswith("predicted_")]:
        for column in {predicted, str(predicted).removeprefix("predicted_")} & set(rows):
            rows[column] = numbers(rows[column])
    return rows
