"""Check of scores before anything is computed: can they be learned, and correlated in each part of a split."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from orchestrator.core.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from orchestrator.data.dataset import Dataset
    from orchestrator.data.splits import Split

MIN_ROWS = 3
"""Rows that a correlation needs."""
RESERVED = frozenset({"part", "criteria", "reason"})
"""Columns of the tables that a sweep writes; a score of such a name would overwrite them."""
LARGEST = 1e38
"""Magnitude of a score; models learn in float32, which ends at 3.4e38."""


def is_usable(scores: pd.Series, learned: bool) -> NDArray[np.bool_]:
    """Return which scores are finite and, if they will be learned, within float32, (N,)."""
    import numpy as np

    values = scores.to_numpy(dtype="float64")
    finite = np.isfinite(values)
    return finite & (np.abs(values) <= LARGEST) if learned else finite


def unlearnable(scores: pd.Series, target: str) -> str | None:
    """Return why the scores (N,) of a target cannot be learned; None if they can."""
    if target in RESERVED or target.startswith("predicted_"):
        return f"{target} is a column of a sweep's own tables: name the score with --columns SCORE={target}"
    return constant_reason(scores, target)


def constant_reason(scores: pd.Series, target: str) -> str | None:
    """Return why the scores (N,) of a target are one value in float32, which cannot be learned; None if they differ."""
    import numpy as np

    values = scores.to_numpy(dtype="float64")
    with np.errstate(over="ignore"):
        distinct = np.unique(values.astype("float32"))
    if len(values) == 0 or len(distinct) > 1:
        return None
    if len(np.unique(values)) > 1:
        return f"{target} is one value in float32, {distinct[0]:g}, in all {len(values)} rows: rescale it"
    return f"{target} is {values[0]:g} in all {len(values)} rows"


def check_parts(dataset: Dataset, targets: Sequence[str], splits: Iterable[Split]) -> None:
    """Check that each part of each split has a correlation to compute.

    Raises:
        InputError: a part has fewer than three rows, or the same score in all of them.
    """
    if problem := parts_problem(dataset, targets, splits):
        raise InputError(problem)


def parts_problem(dataset: Dataset, targets: Sequence[str], splits: Iterable[Split]) -> str | None:
    """Return what a part of a split lacks for a correlation; None if nothing."""
    for split in splits:
        for part in ("train", "validation", "test"):
            rows = getattr(split, part)
            where = f"the {part} part of split {split.index} (--protocol {split.protocol})"
            if len(rows) < MIN_ROWS:
                return (
                    f"{dataset.name} has {len(rows)} images in {where}; a correlation needs {MIN_ROWS}: "
                    f"add images or {dataset.group_noun}."
                )
            for target in targets:
                if constant_reason(dataset.table[target].iloc[rows], target):
                    value = dataset.table[target].iloc[rows[0]]
                    return (
                        f"{dataset.name} has the same {target}, {value:g}, in all {len(rows)} images of {where}, "
                        "which has no correlation then: add images with other scores."
                    )
    return None
