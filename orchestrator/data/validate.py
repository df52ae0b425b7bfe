"""Validation of loaded rows: exclude unusable rows, hash the rest, refuse a data set with too many bad rows."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.core.errors import InputError
from orchestrator.data.dataset import Dataset, Quarantine
from orchestrator.data.progress import Progress, silent
from orchestrator.data.verify_images import verify_images

if TYPE_CHECKING:
    import pandas as pd

MAX_BAD_SHARE = 0.05
_SHOWN_NAMES = 5


@dataclass(frozen=True, eq=False)
class RawDataset:
    """Rows as a loader returns them, before any check.

    Attributes:
        name: the data set's name.
        table: columns name, image (absolute path), prompt, generator, the targets, and any `<target>_std`.
        targets: the score columns.
        root: the folder of the data set.
    """

    name: str
    table: pd.DataFrame
    targets: tuple[str, ...]
    root: Path


def check_dataset(raw: RawDataset, progress: Progress = silent) -> Dataset:
    """Exclude the rows that cannot be used, each with its reason, and hash the rest.

    Raises:
        InputError: no rows, or more than 5 % of them unusable.
    """
    dataset = examine_dataset(raw, progress)
    if refused := rejection_reason(dataset, raw.root):
        raise InputError(refused)
    return dataset


def examine_dataset(raw: RawDataset, progress: Progress = silent) -> Dataset:
    """Exclude unusable rows as `check_dataset` does, however many they are.

    Raises:
        InputError: no rows.
    """
    if raw.table.empty:
        raise InputError(f"{raw.name} at {raw.root} has no rows.")
    table = raw.table.reset_index(drop=True)
    verdicts = verify_images([Path(path) for path in table["image"]], raw.root, progress)
    table["digest"] = [verdict.digest for verdict in verdicts]
    reasons = _reasons(table, raw.targets, [verdict.row_reason for verdict in verdicts])
    quarantined = tuple(
        Quarantine(str(name), reason) for name, reason in zip(table["name"], reasons, strict=True) if reason is not None
    )
    kept = table[[reason is None for reason in reasons]]
    kept = kept.sort_values("name").reset_index(drop=True)  # the hash then fixes the order, too
    return Dataset(raw.name, kept, raw.targets, quarantined, _hash(kept, raw.targets))


def rejection_reason(dataset: Dataset, root: Path) -> str | None:
    """Return why a data set cannot be trained on, with counts and names; None if it can."""
    rows = len(dataset) + len(dataset.quarantined)
    if len(dataset.quarantined) <= MAX_BAD_SHARE * rows:
        return None
    parts = []
    for reason, names in dataset.quarantined_names().items():
        more = ", …" if len(names) > _SHOWN_NAMES else ""
        parts.append(f"{len(names)} {reason} ({', '.join(names[:_SHOWN_NAMES])}{more})")
    return (
        f"{dataset.name} at {root}: {len(dataset.quarantined)} of {rows} rows cannot be used, more than "
        f"{MAX_BAD_SHARE:.0%}: {'; '.join(parts)}."
    )


def _reasons(table: pd.DataFrame, targets: tuple[str, ...], image_reasons: list[str | None]) -> list[str | None]:
    import numpy as np

    finite = np.isfinite(table[list(targets)].to_numpy(dtype="float64")).all(axis=1)
    empty = table["prompt"].str.strip() == ""
    duplicate = table["name"].duplicated()
    reasons: list[str | None] = []
    for row, image_reason in enumerate(image_reasons):
        if duplicate[row]:
            reasons.append("duplicate name")
        elif empty[row]:
            reasons.append("empty prompt")
        elif not finite[row]:
            reasons.append("non-finite score")
        else:
            reasons.append(image_reason)
    return reasons


def _hash(table: pd.DataFrame, targets: tuple[str, ...]) -> str:
    digest = hashlib.sha256()
    deviations = [f"{target}_std" for target in targets if f"{target}_std" in table]
    columns = ["name", "digest", "prompt", "generator", *targets, *deviations]
    digest.update(json.dumps(columns).encode())
    for row in table[columns].itertuples(index=False, name=None):
        digest.update(json.dumps(row).encode())
    return digest.hexdigest()
