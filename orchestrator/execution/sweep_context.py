"""What all jobs of a sweep share: the data, the splits, and where things are written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.cluster.shared_features import open_features
from orchestrator.core.plugins import NO_PLUGINS, SharedPlugins
from orchestrator.data.feature_store import PIXELS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from orchestrator.data import Dataset, FeatureSet, Split
    from orchestrator.execution.cross_dataset_eval import CrossDatasetEval
    from orchestrator.execution.trial_store import TrialStore
    from orchestrator.training.training_data import TrainingData


@dataclass(frozen=True, eq=False)
class SweepContext:
    """Travels once to every worker.

    Attributes:
        features: paths of the stored features; opened where the job runs.
        reads: the features that the variant and its control read.
        encoders: kind → name, of the kinds that `reads` needs.
        names: the rows' names, (N,).
        generators: the rows' generators, (N,).
        prompts: the rows' prompts, (N,).
        prompt_ids: equal where prompts are, (N,).
        scores: mean opinion scores, (N, T).
        stds: the raters' standard deviations of the scores, (N, T); None where they are not known.
        targets: names of the T scores.
        splits: by index.
        trials: folder that holds a folder a job; it is read and written by the nodes unless there is a `storage`.
        threads: of one job.
        device: "cpu" or "cuda".
        finetune: whether the image encoder is trained with the model; `features` then has `image.pixels` as well.
        min_free: bytes of free disk below which no checkpoint is written.
        cross: a second data set, which confirm runs and baselines score as well.
        gpus: of one job; of a part of a GPU it takes no more memory than that.
        criteria: what is asked of the rows, (N,); None where nobody said.
        storage: where jobs leave their files instead; each works in a folder of its own then.
        code: digest of the code that every node has to have; None for whichever it has.
        plugins: plug-ins that every worker loads.
    """

    features: FeatureSet
    reads: tuple[str, ...]
    encoders: Mapping[str, str]
    names: tuple[str, ...]
    generators: tuple[str, ...]
    prompts: tuple[str, ...]
    prompt_ids: NDArray[np.int64]
    scores: NDArray[np.float64]
    stds: NDArray[np.float64] | None
    targets: tuple[str, ...]
    splits: Mapping[int, Split]
    trials: Path
    threads: int
    device: str
    finetune: bool = False
    min_free: int = 0
    cross: CrossDatasetEval | None = None
    gpus: float = 0.0
    criteria: tuple[str, ...] | None = None
    storage: TrialStore | None = None
    code: str | None = None
    plugins: SharedPlugins = NO_PLUGINS

    def training_data(self, split: int) -> TrainingData:
        """The data as one of its splits divides it. Features are opened once in a process.

        Raises:
            TrialDirNotVisible: this node has no file that they lie in, nor a way to fetch it.
        """
        import torch

        from orchestrator.training.training_data import TrainingData

        rows = self.splits[split]
        return TrainingData(
            features=self._tensors,
            scores=torch.from_numpy(self.scores).float(),
            targets=self.targets,
            prompt_ids=torch.from_numpy(self.prompt_ids),
            train=torch.from_numpy(rows.train),
            validation=torch.from_numpy(rows.validation),
            test=torch.from_numpy(rows.test),
            stds=None if self.stds is None else torch.from_numpy(self.stds).float(),
        )

    @cached_property
    def _tensors(self) -> dict[str, Tensor]:
        tensors = open_features(self.features)
        pixels = [PIXELS] if self.finetune else []
        return {name: tensors[name] for name in (*self.reads, *pixels)}

    def working_in(self, trials: Path) -> SweepContext:
        """The same on another folder, with the features that this process has opened."""
        own = replace(self, trials=trials, storage=None)
        own.__dict__["_tensors"] = self._tensors
        return own

    def __getstate__(self) -> dict[str, Any]:
        # Opened features are memory maps of this process.
        return {key: value for key, value in self.__dict__.items() if key != "_tensors"}


def make_context(
    dataset: Dataset,
    features: FeatureSet,
    reads: tuple[str, ...],
    encoders: Mapping[str, str],
    targets: tuple[str, ...],
    splits: Mapping[int, Split],
    trials: Path,
    threads: int,
    device: str,
    finetune: bool = False,
    min_free: int = 0,
    cross: CrossDatasetEval | None = None,
    storage: TrialStore | None = None,
    gpus: float = 0.0,
    code: str | None = None,
    plugins: SharedPlugins = NO_PLUGINS,
) -> SweepContext:
    """The task of a sweep over `targets` of a dataset."""
    return SweepContext(
        features=features,
        reads=reads,
        encoders={kind: encoders[kind] for kind in features.identity},
        names=tuple(dataset.names),
        generators=tuple(dataset.generators),
        prompts=tuple(dataset.prompts),
        prompt_ids=dataset.prompt_ids,
        scores=dataset.scores(targets),
        stds=dataset.stds(targets),
        targets=targets,
        splits=splits,
        trials=trials,
        threads=threads,
        device=device,
        finetune=finetune,
        min_free=min_free,
        cross=cross,
        criteria=tuple(dataset.criteria) if "criteria" in dataset.table else None,
        storage=storage,
        gpus=gpus,
        code=code,
        plugins=plugins,
    )
