"""From the rows a loader found to a dataset one can trust."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.data.dataset import Dataset, Quarantine
from orchestrator.data.progress import Progress, silent
from orchestrator.data.verification import verify_images
from orchestrator.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

MAX_BAD_SHARE = 0.05
_SHOWN_NAMES = 5


@dataclass(frozen=True, eq=False)
class RawDataset:
    """What a loader hands over, before anything in it has been checked.

    Attributes:
        name: the dataset's name.
        table: columns name, image (absolute path), prompt, generator, the targets, and any `<target>_std`.
        targets: the score columns.
        root: the folder the dataset lies in.
    """

    name: str
    table: pd.DataFrame
    targets: tuple[str, ...]
    root: Path


def check_dataset(raw: RawDataset, progress: Progress = silent) -> Dataset:
    """Leave out the rows that cannot be used, each with its reason, and hash the rest.

    Raises:
        InputError: no rows, or more than 5 % of them unusable.
    """
    if raw.table.empty:
        raise InputError(f"{raw.name} at {raw.root} has no rows.")
    table = raw.table.reset_index(drop=True)
    verdicts = verify_images([Path(path) for path in table["image"]], raw.root, progress)
    table["digest"] = [verdict.digest for verdict in verdicts]
    reasons = _reasons(table, raw.targets, [verdict.reason for verdict in verdicts])
    quarantined = tuple(
        Quarantine(str(name), reason) for name, reason in zip(table["name"], reasons, strict=True) if reason is not None
    )
    if len(quarantined) > MAX_BAD_SHARE * len(table):
        raise InputError(_too_many(raw, quarantined, len(table)))
    kept = table[[reason is None for reason in reasons]]
    kept = kept.sort_values("name").reset_index(drop=True)  # the hash then fixes the order, too
    return Dataset(raw.name, kept, raw.targets, quarantined, _hash(kept, raw.targets))


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
            reasons.append(f"{image_reason} image" if image_reason else None)
    return reasons


def _too_many(raw: RawDataset, quarantined: tuple[Quarantine, ...], rows: int) -> str:
    counts = Counter(left_out.reason for left_out in quarantined)
    parts = []
    for reason, count in counts.most_common():
        names = [left_out.name for left_out in quarantined if left_out.reason == reason]
        more = ", …" if count > _SHOWN_NAMES else ""
        parts.append(f"{count} {reason} ({', '.join(names[:_SHOWN_NAMES])}{more})")
    return (
        f"{raw.name} at {raw.root}: {len(quarantined)} of {rows} rows cannot be used, more than "
        f"{MAX_BAD_SHARE:.0%}: {'; '.join(parts)}."
    )


def _hash(table: pd.DataFrame, targets: tuple[str, ...]) -> str:
    digest = hashlib.sha256()
    deviations = [f"{target}_std" for target in targets if f"{target}_std" in table]
    columns = ["name", "digest", "prompt", "generator", *targets, *deviations]
    digest.update(json.dumps(columns).encode())
    for row in table[columns].itertuples(index=False, name=None):
        digest.update(json.dumps(row).encode())
    return digest.hexdigest()
