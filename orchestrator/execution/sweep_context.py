"""Context that all jobs of a sweep share: data, splits and folders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from orchestrator.cluster.shared_features import open_features
from orchestrator.core.plugins import NO_PLUGINS, SharedPlugins
from orchestrator.data.feature_store import PIXELS
from orchestrator.execution.shared_trial_store import SharedTrialStore

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from orchestrator.data import Dataset, FeatureSet, Split
    from orchestrator.execution.cross_dataset_eval import CrossDatasetEval
    from orchestrator.execution.trial_store import TrialStore
    from orchestrator.scoring import FeatureDistribution
    from orchestrator.training.training_data import TrainingData

CHECKPOINT_SECONDS = 1.0
"""Seconds of training after which a checkpoint is due. A crash loses no more, or the epoch if that is longer."""


@dataclass(frozen=True, eq=False)
class SweepContext:
    """Data and settings of a sweep, sent once to every worker.

    Attributes:
        features: paths of the stored features; opened by the worker.
        reads: the features that the variant and its control read.
        encoders: kind → name, for the kinds that `reads` needs.
        names: the rows' names, (N,).
        generators: the rows' generators, (N,).
        prompts: the rows' prompts, (N,).
        prompt_ids: equal where prompts are, (N,).
        scores: mean opinion scores, (N, T).
        stds: the raters' standard deviations of the scores, (N, T); None if unknown.
        targets: names of the T scores.
        splits: by index.
        trials: folder with a folder per job, as this process sees it.
        store: the same folders, as every node reaches them.
        threads: of one job.
        device: "cpu" or "cuda".
        finetune: whether the image encoder is trained with the model; `features` then has `image.pixels` as well.
        min_free: bytes of free disk below which no checkpoint is written.
        cross: second data set that confirm runs and baselines score, if any.
        gpus: of one job; a share below 1 limits its GPU memory as well.
        criteria: text of the criteria of each row, (N,); None without criteria.
        code: digest of the code that every node must have; None for any.
        plugins: plug-ins that every worker loads.
        checkpoint_seconds: seconds of training after which a checkpoint is due; 0 for one after each epoch.
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
    store: TrialStore
    threads: int
    device: str
    finetune: bool = False
    min_free: int = 0
    cross: CrossDatasetEval | None = None
    gpus: float = 0.0
    criteria: tuple[str, ...] | None = None
    code: str | None = None
    plugins: SharedPlugins = NO_PLUGINS
    checkpoint_seconds: float = CHECKPOINT_SECONDS

    def training_data(self, split: int) -> TrainingData:
        """Return the data of one split; features are opened once per process.

        Raises:
            TrialDirNotVisible: this node can neither see nor fetch a file of the features.
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

    def feature_distributions(self, split: int) -> dict[str, FeatureDistribution]:
        """Return the distribution of the training rows' features, for the kinds whose features are stored."""
        from orchestrator.scoring import FeatureDistribution
        from orchestrator.scoring.feature_distribution import FEATURES, thin_rows

        rows = self.splits[split]
        prompts = np.unique(self.prompt_ids[rows.train], return_index=True)[1]  # each counts once, as each image does
        train = {"image": rows.train, "prompt": rows.train[prompts]}
        found = {}
        for kind, name in FEATURES.items():
            if name in self.features.shapes:
                parts = (self._opened[name][thin_rows(part)].numpy() for part in (train[kind], rows.validation))
                found[kind] = FeatureDistribution.fit(kind, *parts)
        return found

    @cached_property
    def _tensors(self) -> dict[str, Tensor]:
        return {name: self._opened[name] for name in (*self.reads, *([PIXELS] if self.finetune else []))}

    @cached_property
    def _opened(self) -> dict[str, Tensor]:
        return open_features(self.features)

    def working_in(self, trials: Path) -> SweepContext:
        """Return the context with another folder and the features that this process has opened."""
        own = replace(self, trials=trials)
        own.__dict__.update(_opened=self._opened, _tensors=self._tensors)
        return own

    def __getstate__(self) -> dict[str, Any]:
        # Opened features are memory maps of this process.
        return {key: value for key, value in self.__dict__.items() if key not in {"_opened", "_tensors"}}


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
    store: TrialStore | None = None,
    gpus: float = 0.0,
    code: str | None = None,
    plugins: SharedPlugins = NO_PLUGINS,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
) -> SweepContext:
    """Return the context of a sweep over `targets` of a dataset; `store` is `trials` by default."""
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
        store=store or SharedTrialStore(trials),
        threads=threads,
        device=device,
        finetune=finetune,
        min_free=min_free,
        cross=cross,
        criteria=tuple(dataset.criteria) if "criteria" in dataset.table else None,
        gpus=gpus,
        code=code,
        plugins=plugins,
        checkpoint_seconds=checkpoint_seconds,
    )
