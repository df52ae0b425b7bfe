"""Trainer of a scoring model, one epoch at a time."""

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from orchestrator.core.errors import InputError
from orchestrator.training.batch_sampler import prompt_batches, shuffled_batches
from orchestrator.training.epoch_result import BestEpoch, EpochResult
from orchestrator.training.evaluate import compare, predict, reads_of
from orchestrator.training.feature_batches import FeatureBatches
from orchestrator.training.losses import LossBatch, build_loss
from orchestrator.training.optimizer import AdamW, lr_share
from orchestrator.training.settings import FitSettings
from orchestrator.training.training_data import ScoreScale, TrainingData
from orchestrator.training.weight_ema import WeightEMA

_CPU = torch.device("cpu")


@dataclass(frozen=True)
class TrainingState:
    """State that a training resumes from, bit-identically on a CPU.

    Attributes:
        tensors: `model.*`, `optimizer.*` and, with averaging, `ema.*`.
        best: the best epoch's model state; empty before there is a best epoch.
        meta: epoch, best epoch's result, settings, targets and score scale, as values that JSON can store.

    Example:
        >>> TrainingState(tensors={"model.weight": torch.ones(2)}, best={}, meta={"epoch": 1}).meta["epoch"]
        1
    """

    tensors: Mapping[str, Tensor]
    best: Mapping[str, Tensor]
    meta: Mapping[str, Any]


class Trainer:
    """Training of a scoring model on one split, with an evaluation after every epoch.

    The model has `reads`, `calibrate(features)` and `forward(features) -> (B, T)` in standardised units.
    The constructor calibrates it on the training rows. The randomness of an epoch depends on (seed, epoch) alone. So
    a training on a CPU is reproducible bit for bit, resumed or not, for the same number of threads.

    Attributes:
        model: the model with its raw weights; see `restore_best`.
        epoch: number of completed epochs.
        best: the best epoch so far; None before the first finite objective.
        scale: scale between MOS units and the model's.

    Raises:
        InputError: the loss needs raters' standard deviations that the data does not have, or a weight is of an
            unknown target.
        ValueError: a feature that the model reads is missing.

    Example:
        >>> rows, embedding = torch.arange(60), torch.randn(60, 8)
        >>> split = {"train": rows[:40], "validation": rows[40:50], "test": rows[50:]}
        >>> data = TrainingData(
        ...     {"image_prompt.embedding": embedding}, torch.rand(60, 1), ("alignment",), rows // 3, **split
        ... )
        >>> from models import build_variant
        >>> model = build_variant("imagereward_head", {"image_prompt.embedding": (8,)}, widths=(4,))
        >>> trainer = Trainer(model, data, FitSettings(epochs=2))
        >>> trainer.run_epoch().epoch, trainer.finished
        (1, False)
        >>> trainer.predict(data.test).shape
        (10, 1)
    """

    def __init__(
        self, model: nn.Module, data: TrainingData, settings: FitSettings, device: torch.device = _CPU
    ) -> None:
        self.model = model.to(device)
        self.data = data
        self.settings = settings
        self.device = device
        self.epoch = 0
        self.best: BestEpoch | None = None
        self.scale = ScoreScale.of(data.scores[data.train])
        self._diverged = False
        self._loss = build_loss(settings.loss, settings.weights_of(data.targets))
        self._loss.check_std("the data has none" if data.stds is None else None)
        self._features = FeatureBatches(data.features, reads_of(model), device)
        self._targets = self.scale.standardise(data.scores).to(device)
        self._stds = None if data.stds is None else (data.stds / self.scale.std).to(device)
        self._prompt_ids = data.prompt_ids.to(device)
        self._validation_scores = data.scores[data.validation]
        calibrate: Any = model.calibrate
        calibrate(self._features.calibration(data.train.to(device)))
        self._features.standardize(self.model)
        self._optimizer = AdamW(self.model, settings)
        self._average = WeightEMA(self._optimizer.flat_parameters, settings.ema) if settings.ema else None

    @property
    def finished(self) -> bool:
        """True if all epochs are completed or the training has diverged."""
        return self._diverged or self.epoch >= self.settings.epochs

    def run_epoch(self) -> EpochResult:
        """Train one epoch and evaluate it.

        Raises:
            RuntimeError: the training is finished.
        """
        if self.finished:
            raise RuntimeError("this training has diverged" if self._diverged else "this training is done")
        started = time.perf_counter()
        last_lr = self.settings.lr * self._lr_share(1.0)
        train_loss = self._train()
        self.epoch += 1
        with self._average.in_place() if self._average else nullcontext():
            predicted = self.predict(self.data.validation)
            validation = compare(predicted, self._validation_scores, self.data.targets)
            self._diverged = not (math.isfinite(train_loss) and bool(np.isfinite(predicted).all()))
            objective = math.nan if self._diverged else fmean(measured.srcc for measured in validation.values())
            result = EpochResult(
                epoch=self.epoch,
                train_loss=train_loss,
                validation=validation,
                objective=objective,
                lr=last_lr,
                seconds=time.perf_counter() - started,
                diverged=self._diverged,
            )
            # With `>` a NaN is never the best, on either side of the comparison.
            if objective > (self.best.result.objective if self.best else -math.inf):
                self.best = BestEpoch(result, _on_cpu(self.model.state_dict()))
        return result

    def predict(self, rows: Tensor) -> np.ndarray[Any, np.dtype[np.float32]]:
        """Predict the scores (n, T) in MOS units of rows (n,) with the model's current weights."""
        return predict(self.model, self._features, rows, self.scale)

    def restore_best(self) -> None:
        """Load the best epoch's state into the model; the training is finished after that."""
        if self.best is not None:
            self.model.load_state_dict(self.best.model_state)
            self.epoch = self.settings.epochs

    def _train(self) -> float:
        """Train on all training rows once; return the mean loss. Only the end of the epoch waits for the device."""
        settings = self.settings
        seed = int(np.random.SeedSequence((settings.seed, self.epoch)).generate_state(1, np.uint64)[0])
        generator = torch.Generator().manual_seed(seed)
        batches = (
            prompt_batches(self.data.train, self.data.prompt_ids, settings.batch_size, generator)
            if settings.prompt_grouped
            else shuffled_batches(self.data.train, settings.batch_size, generator)
        )
        total = torch.zeros((), device=self.device)
        self.model.train()
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(seed)
            for step, rows in enumerate(batches, start=1):
                loss = self._step(rows, self._lr_share(step / len(batches)))
                total += loss * len(rows)
        return float(total) / len(self.data.train)

    def _lr_share(self, part: float) -> float:
        """Return the share of the peak rate after `part` of the current epoch."""
        return lr_share((self.epoch + part) / self.settings.epochs, self.settings.warmup)

    def _step(self, rows: Tensor, lr_share: float) -> Tensor:
        features, rows = self._features.batch(rows), rows.to(self.device)
        prediction = self.model(features)
        stds = None if self._stds is None else self._stds[rows]
        loss = self._loss(prediction, LossBatch(self._targets[rows], self._prompt_ids[rows], stds))
        self._optimizer.zero_grad()
        torch.autograd.backward(loss)
        self._optimizer.step(lr_share, self.settings.clip_norm)
        if self._average:
            self._average.update()
        return loss.detach()

    def state_dict(self) -> TrainingState:
        """Return a copy of the training's state, on the CPU."""
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        tensors |= {f"optimizer.{name}": tensor for name, tensor in self._optimizer.tensors().items()}
        if self._average:
            tensors |= {f"ema.{name}": tensor for name, tensor in self._average.tensors().items()}
        return TrainingState(
            tensors=_on_cpu(tensors),
            best=dict(self.best.model_state) if self.best else {},
            meta={
                "epoch": self.epoch,
                "diverged": self._diverged,
                "ema_steps": self._average.steps if self._average else 0,
                "best": self.best.result.to_json() if self.best else None,
                **self._identity(),
            },
        )

    def load_state_dict(self, state: TrainingState) -> None:
        """Resume from `state`.

        Raises:
            ValueError: the state belongs to other settings, targets, training scores or another model.
        """
        saved = {**state.meta, "settings": _with_defaults(state.meta["settings"])}
        for key, value in self._identity().items():
            if saved[key] != value:
                raise ValueError(f"its {key.replace('_', ' ')} differ: {saved[key]}, here {value}")
        try:
            self.model.load_state_dict(_under("model.", state.tensors))
            self._features.standardize(self.model)
            self._optimizer.load(_under("optimizer.", state.tensors))
            if self._average:
                self._average.load(_under("ema.", state.tensors), state.meta["ema_steps"])
        except (RuntimeError, KeyError) as error:
            raise ValueError(f"it holds another model: {' '.join(str(error).split())}") from error
        self.epoch, self._diverged = state.meta["epoch"], state.meta["diverged"]
        best = state.meta["best"]
        self.best = BestEpoch(EpochResult.from_json(best), dict(state.best)) if best else None

    def _identity(self) -> dict[str, Any]:
        """Return the values that must be equal in a state of this training."""
        return {
            "settings": self.settings.as_dict(),
            "targets": list(self.data.targets),
            "score_mean": self.scale.mean.tolist(),
            "score_std": self.scale.std.tolist(),
        }


def fit(
    model: nn.Module, data: TrainingData, settings: FitSettings, device: torch.device = _CPU
) -> Iterator[EpochResult]:
    """Train all epochs and yield each result; at the end the model has the best epoch's weights.

    Example:
        >>> rows, embedding = torch.arange(60), torch.randn(60, 8)
        >>> split = {"train": rows[:40], "validation": rows[40:50], "test": rows[50:]}
        >>> data = TrainingData(
        ...     {"image_prompt.embedding": embedding}, torch.rand(60, 1), ("alignment",), rows // 3, **split
        ... )
        >>> from models import build_variant
        >>> model = build_variant("imagereward_head", {"image_prompt.embedding": (8,)}, widths=(4,))
        >>> [result.epoch for result in fit(model, data, FitSettings(epochs=2))]
        [1, 2]
    """
    trainer = Trainer(model, data, settings, device)
    while not trainer.finished:
        yield trainer.run_epoch()
    trainer.restore_best()


def _on_cpu(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in tensors.items()}


def _with_defaults(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a state's settings with defaults for settings that are newer than the state."""
    try:
        return FitSettings.from_dict(settings).as_dict()
    except InputError:
        return settings


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
