"""Data of a sweep: its data set, checked, and the scores that it learns."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.core.errors import InputError
from orchestrator.core.spec import SweepSpec
from orchestrator.data.progress import Progress, silent

if TYPE_CHECKING:
    from models.registry import VariantInfo
    from orchestrator.data import Dataset
    from orchestrator.data.validate import RawDataset


def known_variant(name: str, of: str | None = None) -> VariantInfo:
    """Return the description of a variant, or of the control of the variant `of`; raise InputError if unknown."""
    from models import variant_info

    try:
        return variant_info(name, of) if of else variant_info(name)
    except ValueError as error:
        raise InputError(str(error)) from error


def load_sweep_data(
    spec: SweepSpec, progress: Progress = silent, data_root: Path | None = None
) -> tuple[Dataset, tuple[str, ...]]:
    """Return a sweep's checked data set, with its criteria if it names some, and the scores that it learns.

    Args:
        spec: the sweep's settings.
        progress: called while data is generated or verified.
        data_root: folder of the data set, if it has moved.

    Raises:
        InputError: the data set cannot be read, or lacks scores or criteria.
    """
    return check_sweep_data(spec, read_sweep_data(spec, progress, data_root), progress)


def read_sweep_data(spec: SweepSpec, progress: Progress = silent, data_root: Path | None = None) -> RawDataset:
    """Read the rows of a sweep's data set; nothing is checked yet, and torch is not imported.

    Raises:
        InputError: the data set is unknown, or a folder, file or column is missing.
    """
    from orchestrator.data.registry import read_dataset

    return read_dataset(spec.dataset, data_root or spec.data_root, progress, spec.columns)


def check_sweep_data(
    spec: SweepSpec, raw: RawDataset, progress: Progress = silent, new: bool = False
) -> tuple[Dataset, tuple[str, ...]]:
    """Return a sweep's checked data set, with its criteria if it names some, and the scores that it learns.

    Args:
        spec: the sweep's settings.
        raw: rows of the data set.
        progress: called while images are verified.
        new: whether the sweep has not begun; a variant for all scores then learns all if none is chosen.

    Raises:
        InputError: the data set lacks scores or criteria.
    """
    from orchestrator.data.validate import check_dataset, written_targets

    known_variant(spec.variant)
    targets = written_targets(raw, spec.targets) if spec.targets else _default_targets(spec.variant, raw, new)
    dataset = check_dataset(raw, progress, targets)
    if spec.criteria and dataset.has_prompts:
        from orchestrator.data.criteria_file import read_criteria

        dataset = dataset.with_criteria(read_criteria(spec.criteria, dataset.prompts))
    return dataset, targets


def _default_targets(variant: str, raw: RawDataset, new: bool) -> tuple[str, ...]:
    from orchestrator.data.validate import missing_target

    info = known_variant(variant)
    meant_for = info.targets
    if meant_for is None:
        return raw.targets if info.all_scores and new else raw.targets[:1]
    targets = tuple(target for target in raw.targets if target.casefold() in meant_for)
    if not targets:
        if unusable := [target for target in meant_for if target in raw.unusable]:
            raise InputError(missing_target(raw, unusable[0]))
        raise InputError(
            f"{variant} scores {' or '.join(meant_for)}, which {raw.name} has not; it has "
            f"{', '.join(raw.targets)}: choose with --targets."
        )
    return targets


def check_prompts(spec: SweepSpec, dataset: Dataset, targets: tuple[str, ...], reads: tuple[str, ...]) -> None:
    """Raise InputError if the images have no prompts and the variant or a score needs them."""
    if dataset.has_prompts:
        return
    advice = "add a column prompt, or name it with --columns prompt=COLUMN"
    if any(target.casefold() == "alignment" for target in targets):
        raise InputError(f"{dataset.name} has no prompts, and alignment is judged by the prompt: {advice}.")
    if any(not name.startswith("image.") for name in reads):
        raise InputError(
            f"{spec.variant} reads prompts, and {dataset.name} has none: {advice}, or search image_hyper for quality."
        )
