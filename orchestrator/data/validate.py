"""Validation of loaded rows: exclude unusable rows, hash the rest, refuse a data set with too many bad rows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.core.errors import InputError
from orchestrator.data.check_scores import LARGEST, is_usable, unlearnable
from orchestrator.data.dataset import GROUPS, Dataset, Quarantine
from orchestrator.data.image_paths import URL_REASON, is_url
from orchestrator.data.progress import Progress, silent
from orchestrator.data.verify_images import verify_images

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

MAX_BAD_SHARE = 0.05
_SHOWN_NAMES = 5


@dataclass(frozen=True, eq=False)
class RawDataset:
    """Rows as a loader returns them, before any check.

    Attributes:
        name: the data set's name.
        table: columns name, image (absolute path), prompt ("" in all rows if there are none), generator, the targets,
            any `<target>_std`, and `GROUPS` if the user named groups.
        targets: the score columns.
        root: the folder of the data set.
        notes: sentences about what was assumed to read it.
        unusable: other columns → why they are not scores.
        texts: those of them that are text or empty.
        lines: line of each row in its file, if it is one file.
    """

    name: str
    table: pd.DataFrame
    targets: tuple[str, ...]
    root: Path
    notes: tuple[str, ...] = ()
    unusable: Mapping[str, str] = field(default_factory=dict)
    texts: frozenset[str] = frozenset()
    lines: tuple[int, ...] = ()


def check_dataset(raw: RawDataset, progress: Progress = silent, targets: Sequence[str] = ()) -> Dataset:
    """Exclude the rows that cannot be used, each with its reason, and hash the rest.

    Args:
        raw: rows as they were read.
        progress: called while images are verified.
        targets: scores that will be learned, which alone are judged; empty if nothing will be learned.

    Raises:
        InputError: no rows, more than 5 % of them unusable, or scores that cannot be learned.
    """
    targets = written_targets(raw, targets)
    dataset = examine_dataset(raw, progress, targets)
    if refused := rejection_reason(dataset, raw.root) or (targets and unlearnable_reason(dataset, targets)):
        raise InputError(refused)
    return dataset


def examine_dataset(raw: RawDataset, progress: Progress = silent, targets: Sequence[str] = ()) -> Dataset:
    """Exclude unusable rows as `check_dataset` does, however many they are.

    Rows that lack any score are excluded if they are few. If they are many, only the scores to be learned decide, and
    others with gaps are dropped. Without `targets`, the scores that enough rows have decide.

    Raises:
        InputError: no rows, or a target that the data set does not have.
    """
    if raw.table.empty:
        raise InputError(f"{raw.name} at {raw.root} has no rows.")
    targets = written_targets(raw, targets)
    table = raw.table.reset_index(drop=True)
    verdicts = verify_images([Path(path) for path in table["image"]], raw.root, progress)
    table["digest"] = [verdict.digest for verdict in verdicts]
    image_reasons = [
        URL_REASON if is_url(image) else verdict.row_reason
        for image, verdict in zip(table["image"], verdicts, strict=True)
    ]
    usable = {target: is_usable(table[target], target in targets) for target in raw.targets}
    gaps = {target: _gap(raw, target, usable[target]) for target in raw.targets if not usable[target].all()}
    judged = list(raw.targets)
    reasons = _reasons(table, image_reasons, [usable[target] for target in judged])
    if _too_many(reasons):
        judged = [
            target for target in targets or raw.targets if target in targets or not _too_many_gaps(usable[target])
        ]
        reasons = _reasons(table, image_reasons, [usable[target] for target in judged])
    keep = [reason is None for reason in reasons]
    kept_targets = tuple(target for target in raw.targets if target in judged or usable[target][keep].all())
    quarantined = tuple(
        Quarantine(str(name), reason) for name, reason in zip(table["name"], reasons, strict=True) if reason is not None
    )
    kept = table[keep]
    kept = kept.sort_values("name").reset_index(drop=True)  # the hash then fixes the order, too
    unusable = {target: gap for target, gap in gaps.items() if target not in kept_targets}
    unusable |= {target: why for target in kept_targets if (why := unlearnable(kept[target], target))}
    return Dataset(
        raw.name,
        kept,
        kept_targets,
        quarantined,
        _hash(kept, kept_targets),
        notes=(*raw.notes, *(f"{gap}." for gap in gaps.values())),
        gaps={target: gap for target, gap in gaps.items() if target in judged},
        unusable={**raw.unusable, **unusable},
    )


def written_targets(raw: RawDataset, targets: Sequence[str]) -> tuple[str, ...]:
    """Return scores that a user named as the data set writes them, whatever their case.

    Raises:
        InputError: the data set does not have one of them.
    """
    written = {target.casefold(): target for target in raw.targets}
    found = tuple(target if target in raw.targets else written.get(target.casefold(), target) for target in targets)
    if missing := [target for target in found if target not in raw.targets]:
        raise InputError(missing_target(raw, " or ".join(missing)))
    return found


def missing_target(raw: RawDataset, target: str) -> str:
    """Return the sentence about a score that a data set does not have, with the reason if it has such a column."""
    if target in raw.unusable:
        return f"{raw.name} has no score '{target}' that can be learned: {raw.unusable[target]}."
    return f"{raw.name} has no score '{target}'; it has {', '.join(raw.targets) or 'none'}."


def unlearnable_reason(dataset: Dataset, targets: Sequence[str]) -> str | None:
    """Return why scores cannot be learned; None if they can, or without `targets` if any of them can."""
    problems = [dataset.unusable[target] for target in targets or dataset.targets if target in dataset.unusable]
    if problems and (targets or len(problems) == len(dataset.targets)):
        return f"{dataset.name} cannot be learned from: {'; '.join(problems)}."
    return None


def rejection_reason(dataset: Dataset, root: Path) -> str | None:
    """Return why a data set cannot be trained on, with counts and names; None if it can."""
    rows = len(dataset) + len(dataset.quarantined)
    if len(dataset.quarantined) <= MAX_BAD_SHARE * rows:
        return None
    if not dataset.targets:
        return f"{dataset.name} at {root} has no score that enough rows have: {'; '.join(dataset.unusable.values())}."
    parts = []
    for reason, names in dataset.quarantined_names().items():
        more = ", …" if len(names) > _SHOWN_NAMES else ""
        parts.append(f"{len(names)} {reason} ({', '.join(names[:_SHOWN_NAMES])}{more})")
    return (
        f"{dataset.name} at {root}: {len(dataset.quarantined)} of {rows} rows cannot be used, more than "
        f"{MAX_BAD_SHARE:.0%}: {'; '.join([*parts, *dataset.gaps.values()])}."
    )


def _reasons(
    table: pd.DataFrame, image_reasons: Sequence[str | None], usable: Sequence[NDArray[np.bool_]]
) -> list[str | None]:
    empty = table["prompt"].str.strip() == ""
    if empty.all():  # a data set without prompts
        empty = ~empty
    duplicate = table["name"].duplicated()
    reasons: list[str | None] = []
    for row, image_reason in enumerate(image_reasons):
        if duplicate[row]:
            reasons.append("duplicate name")
        elif empty[row]:
            reasons.append("empty prompt")
        elif not all(rows[row] for rows in usable):
            reasons.append("non-finite score")
        else:
            reasons.append(image_reason)
    return reasons


def _too_many(reasons: Sequence[str | None]) -> bool:
    return sum(reason is not None for reason in reasons) > MAX_BAD_SHARE * len(reasons)


def _too_many_gaps(usable: NDArray[np.bool_]) -> bool:
    return bool((~usable).sum() > MAX_BAD_SHARE * len(usable))


def _gap(raw: RawDataset, target: str, usable: NDArray[np.bool_]) -> str:
    """Return a clause about the rows without a number for a score."""
    first = int((~usable).argmax())
    where = f"line {raw.lines[first]}" if raw.lines else str(raw.table["name"].iloc[first])
    missing = raw.table[target].isna().iloc[first]
    lack = f"no number in {target}" if missing else f"an infinite number or one beyond {LARGEST:.0e} in {target}"
    return f"{int((~usable).sum())} of {len(usable)} rows have {lack}, first {where}"


def _hash(table: pd.DataFrame, targets: tuple[str, ...]) -> str:
    digest = hashlib.sha256()
    deviations = [f"{target}_std" for target in targets if f"{target}_std" in table]
    groups = [GROUPS] if GROUPS in table else []
    columns = ["name", "digest", "prompt", "generator", *groups, *targets, *deviations]
    digest.update(json.dumps(columns).encode())
    for row in table[columns].itertuples(index=False, name=None):
        digest.update(json.dumps(row).encode())
    return digest.hexdigest()
