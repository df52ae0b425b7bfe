"""Report on a data set: which files, rows and scores are there, and which are missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from orchestrator.core.errors import InputError
from orchestrator.data.check_scores import parts_problem
from orchestrator.data.dataset import Dataset
from orchestrator.data.progress import Progress, silent
from orchestrator.data.registry import read_dataset
from orchestrator.data.splits import check_protocol, make_split
from orchestrator.data.validate import examine_dataset, rejection_reason, unlearnable_reason, written_targets


@dataclass(frozen=True)
class TargetReport:
    """Score statistics over the usable rows, in MOS units; None if there are no rows.

    Attributes:
        name: the target.
        low, high, mean: of the scores.
        raters_std: how many rows have the standard deviation of their raters.
    """

    name: str
    low: float | None
    high: float | None
    mean: float | None
    raters_std: int


@dataclass(frozen=True)
class PartReport:
    """A part of a split."""

    prompts: int
    images: int


@dataclass(frozen=True)
class DatasetReport:
    """A data set as it lies on the disk.

    Attributes:
        dataset, root: what was asked for, and where it lies.
        rows, usable: how many rows its files name, and how many of them can be trained on.
        left_out: names by reason, the commonest reason first.
        targets: its scores.
        generators: usable images by what made them.
        prompts: distinct prompts of the usable rows.
        protocol: how `parts` divide them.
        parts: train, validation and test of split 0; empty where it cannot be divided.
        problems: what a sweep would refuse it for; empty where it would not.
        data_hash: of the usable rows.
        notes: sentences about what was assumed to read it.
        unusable: scores that cannot be learned → why.
        groups: noun for what no split divides, "prompts" or "groups"; `prompts` is their number.
    """

    dataset: str
    root: str
    rows: int
    usable: int
    left_out: dict[str, list[str]]
    targets: tuple[TargetReport, ...]
    generators: dict[str, int]
    prompts: int
    protocol: str
    parts: dict[str, PartReport]
    problems: tuple[str, ...]
    data_hash: str
    notes: tuple[str, ...] = ()
    unusable: dict[str, str] = field(default_factory=dict)
    groups: str = "prompts"

    def to_dict(self) -> dict[str, Any]:
        """Return the report for JSON."""
        return asdict(self)


def report_dataset(
    spec: str,
    data_root: Path | None,
    protocol: str = "disjoint",
    progress: Progress = silent,
    columns: Iterable[str] = (),
    targets: Sequence[str] = (),
) -> DatasetReport:
    """Read a data set, look at every image, and say what a sweep would find.

    Args:
        spec: the data set, as for `load_dataset`.
        data_root: its folder, if it is not built in.
        protocol: how a sweep would split it.
        progress: called while images are verified.
        columns: names of columns, such as "image=file".
        targets: scores that a sweep would learn, which alone decide; without them one usable score is enough.

    Raises:
        InputError: unknown data set, protocol or target, a file or column that is missing, or none of the images.
    """
    check_protocol(protocol)
    raw = read_dataset(spec, data_root, progress, columns)
    targets = written_targets(raw, targets)
    dataset = examine_dataset(raw, progress, targets)
    refused = rejection_reason(dataset, raw.root) or unlearnable_reason(dataset, targets)
    learned = targets or [target for target in dataset.targets if target not in dataset.unusable]
    parts, undivided = _divide(dataset, protocol, learned)
    shown = {target: why for target, why in dataset.unusable.items() if target not in raw.texts}
    return DatasetReport(
        dataset=raw.name,
        root=str(raw.root),
        rows=len(raw.table),
        usable=len(dataset),
        left_out=dataset.quarantined_names(),
        targets=tuple(_describe(dataset, target) for target in raw.targets),
        generators=dict(sorted(Counter(dataset.generators).items())),
        prompts=len(set(dataset.prompt_ids.tolist())),
        protocol=protocol,
        parts=parts,
        problems=tuple(problem for problem in (refused, undivided) if problem),
        data_hash=dataset.data_hash,
        notes=dataset.notes,
        unusable=shown,
        groups=dataset.group_noun,
    )


def _divide(dataset: Dataset, protocol: str, targets: Sequence[str]) -> tuple[dict[str, PartReport], str | None]:
    try:
        split = make_split(dataset, protocol)
    except InputError as error:
        return {}, str(error)
    prompts = dataset.prompt_ids
    rows = {"train": split.train, "validation": split.validation, "test": split.test}
    parts = {part: PartReport(len(set(prompts[at].tolist())), len(at)) for part, at in rows.items()}
    return parts, parts_problem(dataset, targets, [split])


def _describe(dataset: Dataset, target: str) -> TargetReport:
    deviations = int(dataset.table[f"{target}_std"].notna().sum()) if f"{target}_std" in dataset.table else 0
    scores = dataset.table[target].to_numpy("float64")  # with gaps, if it is dropped for them
    scores = scores[np.isfinite(scores)]
    if len(scores) == 0:
        return TargetReport(target, None, None, None, deviations)
    return TargetReport(target, float(scores.min()), float(scores.max()), float(scores.mean()), deviations)
