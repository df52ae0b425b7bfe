"""One training, an epoch at a time."""

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
from orchestrator.training.evaluate import compare, predict, reads_of
from orchestrator.training.feature_batches import FeatureBatches
from orchestrator.training.losses import LossBatch, build_loss
from orchestrator.training.optimizer import AdamW, lr_share
from orchestrator.training.result import BestEpoch, EpochResult
from orchestrator.training.settings import FitSettings
from orchestrator.training.training_data import ScoreScale, TrainingData
from orchestrator.training.weight_ema import WeightEMA

_CPU = torch.device("cpu")


@dataclass(frozen=True)
class TrainingState:
    """All that a training needs to go on, bit for bit on a CPU.

    Attributes:
        tensors: `model.*`, `optimizer.*` and, with averaging, `ema.*`.
        best: the best epoch's model state; empty before there is one.
        meta: JSON-able: epoch, best epoch's result, settings, targets, score scale.
    """

    tensors: Mapping[str, Tensor]
    best: Mapping[str, Tensor]
    meta: Mapping[str, Any]


class Trainer:
    """Trains a scoring model on one split and evaluates it after every epoch.

    The model has `reads`, `calibrate(features)` and `forward(features) -> (B, T)` in standardised units.
    It is calibrated here, on the training rows. Randomness of an epoch comes from (seed, epoch) alone, so a
    training on a CPU repeats itself bit for bit, resumed or not, for one number of threads.

    Attributes:
        model: holds the raw weights; see `restore_best`.
        epoch: epochs done.
        best: the best epoch so far; None before a first finite objective.
        scale: between MOS units and the model's.

    Raises:
        InputError: the loss needs raters' standard deviations that the data has not, or a weight is of no target.
        ValueError: a feature that the model reads is missing.
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
        self._optimizer = AdamW(self.model, settings)
        self._average = WeightEMA(self.model, settings.ema) if settings.ema else None

    @property
    def finished(self) -> bool:
        """Whether all epochs are done or the training has diverged."""
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
            objective = math.nan if self._diverged else fmean(found.srcc for found in validation.values())
            result = EpochResult(
                epoch=self.epoch,
                train_loss=train_loss,
                validation=validation,
                objective=objective,
                lr=last_lr,
                seconds=time.perf_counter() - started,
                diverged=self._diverged,
            )
            # Written so that a NaN is never the best, whichever side it is on.
            if objective > (self.best.result.objective if self.best else -math.inf):
                self.best = BestEpoch(result, _on_cpu(self.model.state_dict()))
        return result

    def predict(self, rows: Tensor) -> np.ndarray[Any, np.dtype[np.float32]]:
        """Scores (n, T) in MOS units of rows (n,) by the model as it is."""
        return predict(self.model, self._features, rows, self.scale)

    def restore_best(self) -> None:
        """Give the model the best epoch's state; there is no training on after that."""
        if self.best is not None:
            self.model.load_state_dict(self.best.model_state)
            self.epoch = self.settings.epochs

    def _train(self) -> float:
        """One pass over the training rows → mean loss. Nothing here waits for the device before the end."""
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
        """Share of the peak rate when `part` of the running epoch is done."""
        return lr_share((self.epoch + part) / self.settings.epochs, self.settings.warmup)

    def _step(self, rows: Tensor, lr_share: float) -> Tensor:
        features, rows = self._features.batch(rows), rows.to(self.device)
        prediction = self.model(features)
        stds = None if self._stds is None else self._stds[rows]
        loss = self._loss(prediction, LossBatch(self._targets[rows], self._prompt_ids[rows], stds))
        self._optimizer.zero_grad()
        torch.autograd.backward(loss)
        if self.settings.clip_norm:
            nn.utils.clip_grad_norm_(self._optimizer.parameters, self.settings.clip_norm)
        self._optimizer.step(lr_share)
        if self._average:
            self._average.update()
        return loss.detach()

    def state_dict(self) -> TrainingState:
        """A copy of everything that changes, on the CPU."""
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
        """Go on from where `state` was taken.

        Raises:
            ValueError: the state belongs to other settings, targets, training scores or another model.
        """
        theirs = {**state.meta, "settings": _with_defaults(state.meta["settings"])}
        for key, value in self._identity().items():
            if theirs[key] != value:
                raise ValueError(f"its {key.replace('_', ' ')} differ: {theirs[key]}, here {value}")
        try:
            self.model.load_state_dict(_under("model.", state.tensors))
            self._optimizer.load(_under("optimizer.", state.tensors))
            if self._average:
                self._average.load(_under("ema.", state.tensors), state.meta["ema_steps"])
        except (RuntimeError, KeyError) as error:
            raise ValueError(f"it holds another model: {' '.join(str(error).split())}") from error
        self.epoch, self._diverged = state.meta["epoch"], state.meta["diverged"]
        best = state.meta["best"]
        self.best = BestEpoch(EpochResult.from_json(best), dict(state.best)) if best else None

    def _identity(self) -> dict[str, Any]:
        """What must agree for a state to be this training's."""
        return {
            "settings": self.settings.as_dict(),
            "targets": list(self.data.targets),
            "score_mean": self.scale.mean.tolist(),
            "score_std": self.scale.std.tolist(),
        }


def fit(
    model: nn.Module, data: TrainingData, settings: FitSettings, device: torch.device = _CPU
) -> Iterator[EpochResult]:
    """Train to the end, yielding every epoch; at the end the model holds the best epoch's weights."""
    training = Trainer(model, data, settings, device)
    while not training.finished:
        yield training.run_epoch()
    training.restore_best()


def _on_cpu(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in tensors.items()}


def _with_defaults(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """A state's settings with those that are newer than it at their defaults, which it was trained by."""
    try:
        return FitSettings.from_dict(settings).as_dict()
    except InputError:
        return settings


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
