"""Rows of a sweep's data set with their part of the first split, and the reasons why others were excluded."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.core.errors import InputError, reason
from orchestrator.core.plugins import load_plugins
from orchestrator.core.spec import SweepSpec
from orchestrator.data.progress import silent
from orchestrator.reporting.sweep_record import SweepRecord

if TYPE_CHECKING:
    import pandas as pd

PARTS = ("train", "validation", "test")


@dataclass(frozen=True, eq=False)
class SweepImages:
    """Images of a sweep.

    Attributes:
        table: name, image (path), prompt, generator and scores of each image of the first split, in any order.
        targets: all scores of the data set.
        parts: part of the first split → names of its images.
        missing: number of images of the split that the data set's files do not name any more.
        excluded: reason → number of rows that were not used.
        notes: sentences about what was assumed to read the data set.
    """

    table: pd.DataFrame
    targets: tuple[str, ...]
    parts: dict[str, list[str]]
    missing: int = 0
    excluded: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def part(self, name: str) -> pd.DataFrame:
        """Return the rows of a part of the first split."""
        return self.table[self.table["name"].isin(self.parts[name])]


def sweep_images(record: SweepRecord) -> SweepImages:
    """Read the images of a sweep; they are kept, since they do not change while it runs.

    Raises:
        InputError: the data set or the split cannot be read.
    """
    split = record.workspace.split(0)
    targets = tuple((record.result or {}).get("targets") or record.spec.targets)
    try:
        changed = split.stat().st_mtime_ns
    except OSError as error:
        raise InputError(f"The split {split} cannot be read: {reason(error)}.") from error
    return _read(record.spec.model_dump_json(), targets, split, changed)


def first_split(path: Path) -> dict[str, list[str]]:
    """Return the names of the images in each part of a saved split.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {part: [str(name) for name in content[part]] for part in PARTS}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"The split {path} cannot be read: {reason(error)}.") from error


@lru_cache(maxsize=8)
def _read(settings: str, targets: tuple[str, ...], split: Path, changed: int) -> SweepImages:
    from orchestrator.data.registry import read_dataset

    spec, parts = SweepSpec.model_validate_json(settings), first_split(split)
    load_plugins(spec.plugins)
    raw = read_dataset(spec.dataset, spec.data_root, silent, spec.columns)
    used = {name for names in parts.values() for name in names}
    table = raw.table.drop_duplicates("name")
    table = table[table["name"].isin(used)].reset_index(drop=True)
    excluded: dict[str, int] = {}
    if len(raw.table) > len(table):
        from orchestrator.data.validate import examine_dataset

        known = tuple(target for target in targets if target in raw.targets)
        excluded = examine_dataset(raw, silent, known).quarantine_counts()
    return SweepImages(table, raw.targets, parts, len(used) - len(table), excluded, raw.notes)
