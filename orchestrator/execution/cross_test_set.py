"""A second data set that confirm runs score and no run trains on: read, checked, without shared rows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.core.errors import InputError
from orchestrator.core.spec import SweepSpec
from orchestrator.data.progress import Progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from orchestrator.data import Dataset, FeatureSet, Split
    from orchestrator.execution.cross_dataset_eval import CrossDatasetEval

SHARED_IMAGE, SHARED_PROMPT = "image", "prompt"
MIN_ROWS, MIN_PROMPTS = 3, 2  # below it there is no correlation, or no prompts to resample


@dataclass(frozen=True, eq=False)
class CrossDataset:
    """A second data set and the rows of it that confirm runs score.

    Attributes:
        dataset: checked and read, all its rows.
        targets: learned scores that it has.
        missing: learned scores that it lacks.
        rows: ascending row numbers of its table that are scored, (M,).
        shared: "image" and "prompt" → number of excluded rows. Their image bytes or normalised prompt are also
            in the training or validation rows of a split. A row with both counts as "image". Zeros have no key.
    """

    dataset: Dataset
    targets: tuple[str, ...]
    missing: tuple[str, ...]
    rows: NDArray[np.int64]
    shared: Mapping[str, int] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """Name of the data set inside metrics' names."""
        return dataset_label(self.dataset.name)

    @property
    def prompts(self) -> int:
        """Number of prompts of the scored rows."""
        return len(set(self.dataset.prompt_ids[self.rows]))

    def sentences(self) -> list[str]:
        """Return sentences about the scored and the excluded images and the missing scores."""
        name = self.dataset.name
        sentences = [f"Confirm runs also score {len(self.rows)} images of {self.prompts} prompts of {name}."]
        for what, count in self.shared.items():
            sentences.append(f"Excluded from {name}: {count} of {len(self.dataset)} images whose {what} is trained on.")
        if self.missing:
            sentences.append(f"{name} has no {' or '.join(self.missing)} to compare with.")
        return sentences

    def as_dict(self) -> dict[str, Any]:
        """Return the description for JSON."""
        return {
            "dataset": self.dataset.name,
            "data_hash": self.dataset.data_hash,
            "targets": list(self.targets),
            "images": len(self.rows),
            "prompts": self.prompts,
            "left_out": {**self.dataset.quarantine_counts(), **{f"shared {k}": n for k, n in self.shared.items()}},
        }

    def as_input(self, spec: SweepSpec) -> dict[str, Any]:
        """Return the description as a dataset input of the sweep's MLflow run, in addition to the training data's."""
        scores = [(target, "double") for target in self.targets]
        left_out: dict[str, int] = self.as_dict()["left_out"]
        return {
            "name": self.dataset.name.replace("csv:", ""),
            "digest": self.dataset.data_hash,
            "rows": len(self.dataset),
            "source": str(spec.test_data_root or spec.test_dataset),
            "columns": [("image", "string"), ("prompt", "string"), *scores],
            "split": {"scored": len(self.rows), **left_out},
            "context": "testing",
        }


def dataset_label(name: str) -> str:
    """Return the name of a data set inside metrics' names.

    Example:
        >>> dataset_label("aigciqa2023"), dataset_label("csv:ratings.csv")
        ('aigciqa2023', 'ratings')
    """
    short = Path(name.removeprefix("csv:")).stem if name.startswith("csv:") else name
    return re.sub(r"\W+", "_", short).strip("_") or "other"


def prepare_cross_dataset(
    spec: SweepSpec,
    trained_on: Dataset,
    targets: tuple[str, ...],
    splits: Mapping[int, Split],
    reads: Iterable[str],
    progress: Progress,
) -> CrossDataset | None:
    """Read and check `--test-dataset`; return None without that option.

    Args:
        spec: the sweep's settings.
        trained_on: the data set of the search.
        targets: learned scores.
        splits: all splits of the sweep.
        reads: features that the variant and its control read.
        progress: called while data is generated or verified.

    Raises:
        InputError: it cannot be read, lacks all targets or the criteria, or shares too many rows with the data set of
            the search. Also if the sweep has no confirm runs.
    """
    if spec.test_dataset is None:
        if spec.test_data_root is not None:
            raise InputError("--test-data-root says where a second data set lies; name it with --test-dataset.")
        return None
    if not spec.confirm:
        raise InputError("--test-dataset is scored by the confirm runs, of which --confirm 0 leaves none.")
    from orchestrator.data import load_dataset
    from orchestrator.data.validate import unlearnable_reason

    dataset = load_dataset(spec.test_dataset, spec.test_data_root, progress)
    known = tuple(target for target in targets if target in dataset.targets)
    if not known:
        raise InputError(
            f"--test-dataset: {dataset.name} has no score {' or '.join(targets)}, which is learned; it has "
            f"{', '.join(dataset.targets)}."
        )
    if any(name.startswith("criteria.") for name in reads):
        dataset = _with_criteria(dataset, spec)
    if dataset.images_and_prompts() == trained_on.images_and_prompts():
        raise InputError(
            f"--test-dataset: {dataset.name} has the same images and prompts as {trained_on.name}, which is trained on."
        )
    rows, shared = unseen_rows(dataset, trained_on, splits.values())
    if len(rows) < MIN_ROWS or len(set(dataset.prompt_ids[rows])) < MIN_PROMPTS:
        counts = " and ".join(f"{count} share {article(what)}" for what, count in shared.items())
        raise InputError(
            f"--test-dataset: {len(rows)} of {len(dataset)} images of {dataset.name} are left to score, too few: "
            f"{counts or 'there are no more'}{f' with what is trained on {trained_on.name}' if counts else ''}."
        )
    if unlearnable := unlearnable_reason(dataset, known):
        raise InputError(f"--test-dataset: {unlearnable}")
    missing = tuple(target for target in targets if target not in known)
    return CrossDataset(dataset, known, missing, rows, shared)


def unseen_rows(
    dataset: Dataset, trained_on: Dataset, splits: Iterable[Split]
) -> tuple[NDArray[np.int64], dict[str, int]]:
    """Return the rows whose image and prompt no split trains on or chooses by, and the numbers of excluded rows.

    Test rows of all splits may be shared, since nothing is learned from them.
    """
    import numpy as np

    from orchestrator.data.dataset import normalize_prompt

    used = np.unique(np.concatenate([part for split in splits for part in (split.train, split.validation)]))
    seen = trained_on.table.iloc[used]
    same_image = dataset.table["digest"].isin(set(seen["digest"])).to_numpy()
    prompts = dataset.table["prompt"].map(normalize_prompt)
    known = set(seen["prompt"].map(normalize_prompt)) - {""}  # without prompts, none is shared
    same_prompt = prompts.isin(known).to_numpy() & ~same_image
    counts = {SHARED_IMAGE: int(same_image.sum()), SHARED_PROMPT: int(same_prompt.sum())}
    rows = np.flatnonzero(~same_image & ~same_prompt)
    return rows, {what: count for what, count in counts.items() if count}


def extract_cross(
    cross: CrossDataset | None, encoders: Mapping[str, str], wanted: Iterable[str], progress: Progress
) -> CrossDatasetEval | None:
    """Return what the jobs need of the data set; compute its features with the same encoders if missing.

    Excluded rows are encoded as well, so that a sweep on this data set finds its features in the store.
    """
    if cross is None:
        return None
    from orchestrator.data import FeatureStore
    from orchestrator.execution.cross_dataset_eval import CrossDatasetEval

    dataset, rows = cross.dataset, cross.rows

    def labelled_progress(done: int, total: int, what: str) -> None:
        progress(done, total, f"{dataset.name}: {what}")

    features: FeatureSet = FeatureStore().get(dataset, encoders, wanted, labelled_progress)
    return CrossDatasetEval(
        label=cross.label,
        features=features,
        rows=rows,
        names=tuple(dataset.names[row] for row in rows),
        generators=tuple(dataset.generators[row] for row in rows),
        prompt_ids=dataset.prompt_ids[rows],
        scores=dataset.scores(cross.targets)[rows],
        targets=cross.targets,
    )


def _with_criteria(dataset: Dataset, spec: SweepSpec) -> Dataset:
    from orchestrator.data.criteria_file import read_criteria

    assert spec.criteria is not None, "the data set that is trained on has criteria, or it would have been refused"
    try:
        return dataset.with_criteria(read_criteria(spec.criteria, dataset.prompts))
    except InputError as error:
        raise InputError(f"--test-dataset {dataset.name}: {error}") from error


def article(what: str) -> str:
    """Return `an image` or `a prompt`."""
    return f"an {what}" if what == SHARED_IMAGE else f"a {what}"
