"""The dry run: builds the smallest and the largest model of the space, takes one step of each, and estimates."""

from __future__ import annotations

import math
import os
import sys
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Console

from orchestrator.core.errors import InputError
from orchestrator.data.feature_store import PIXELS
from orchestrator.execution.extreme_models import extreme_model, feature_shapes
from orchestrator.execution.prepare import PreparedSweep
from orchestrator.search.space import Configuration

if TYPE_CHECKING:
    from orchestrator.training.training_data import TrainingData

_BYTES_A_PARAMETER = 4 * 5  # weight, gradient, Adam's two moments, the best epoch's copy
_PROCESS_BYTES = 900e6  # a worker with torch and Ray loaded
_TABLE_ROWS = 512


@dataclass(frozen=True)
class ExtremeModel:
    """The smallest or the largest model of the space.

    Attributes:
        name: "smallest" or "largest".
        parameters: number of parameters.
        epoch_seconds: of one epoch on all training rows, from one measured step.
        configuration: the arguments.
    """

    name: str
    parameters: int
    epoch_seconds: float
    configuration: dict[str, Any]


@dataclass(frozen=True)
class DryRunReport:
    """Estimate of a sweep's trials, duration and memory.

    Attributes:
        trials: of the variant; its control gets as many.
        trainings: at most, confirm runs included.
        images, prompts: of the data set.
        splits: sizes of split 0's parts.
        corners: smallest and largest model.
        slots: trainings at the same time on this machine.
        minutes: range from all trainings of the smallest model to all of the largest, none stopped early.
        gigabytes_per_trial: of the largest model's worker.
        cross: the rows of a second data set that are scored, as JSON; None without one.
        cross_sentences: the same for people.
    """

    variant: str
    targets: tuple[str, ...]
    trials: int
    trainings: int
    images: int
    prompts: int
    splits: dict[str, int]
    corners: tuple[ExtremeModel, ...]
    slots: int
    minutes: tuple[float, float]
    gigabytes_per_trial: float
    cross: dict[str, Any] | None = None
    cross_sentences: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the report for JSON."""
        return {key: value for key, value in asdict(self).items() if key != "cross_sentences"}

    def show(self, console: Console) -> None:
        """Print the report."""
        parts = ", ".join(f"{count} {part}" for part, count in self.splits.items())
        lines = [
            f"Would search {self.variant} for {' and '.join(self.targets)} on {self.images} images of "
            f"{self.prompts} prompts ({parts}).",
            f"{self.trials} trials, as many of the control if there is one, and confirm runs: {self.trainings} "
            "trainings at most.",
            *self.cross_sentences,
            *(
                f"The {corner.name} model has {corner.parameters:,} parameters and takes about "
                f"{corner.epoch_seconds:.2g} s an epoch: {corner.configuration}"
                for corner in self.corners
            ),
            f"{self.slots} trainings side by side: {self.minutes[0]:.1f} to {self.minutes[1]:.1f} minutes if none "
            f"is stopped early, and the features' encoding where they are not stored yet.",
            f"Up to {self.gigabytes_per_trial:.1f} GB of memory a training.",
            "Nothing was run.",
        ]
        for line in lines:
            console.print(line, highlight=False, soft_wrap=True)


def dry_run(prepared: PreparedSweep) -> DryRunReport:
    """Build and train both extreme models of the space; raise InputError if one fails."""
    spec = prepared.spec
    shapes = feature_shapes(prepared)
    corners = tuple(_corner(prepared, shapes, largest) for largest in (False, True))
    arms = 1 if prepared.control_space is None else 2
    trainings = arms * (spec.trials + min(spec.confirm, spec.trials) * spec.splits)
    slots = max(1, math.floor((os.cpu_count() or 1) / (spec.cpus_per_trial or 1)))
    slots = min(slots, spec.concurrency or slots)
    seconds = [trainings * spec.epochs * corner.epoch_seconds / slots for corner in corners]
    rows = sum(math.prod(shapes[name]) for name in prepared.reads) * len(prepared.dataset)
    needed = corners[1].parameters * _BYTES_A_PARAMETER + rows * 6 + _PROCESS_BYTES
    split = prepared.splits[0]
    return DryRunReport(
        variant=spec.variant,
        targets=prepared.targets,
        trials=spec.trials,
        trainings=trainings,
        images=len(prepared.dataset),
        prompts=prepared.dataset.group_count,
        splits={part: len(getattr(split, part)) for part in ("train", "validation", "test")},
        corners=corners,
        slots=slots,
        minutes=(min(seconds) / 60, max(seconds) / 60),
        gigabytes_per_trial=max(needed, _peak_bytes() if prepared.finetune else 0) / 1e9,
        cross=prepared.cross.as_dict() if prepared.cross else None,
        cross_sentences=tuple(prepared.cross.sentences()) if prepared.cross else (),
    )


def _peak_bytes() -> float:
    """Return the peak memory of this process, which has just trained a step of each model; feature maps dominate it."""
    if sys.platform == "win32":
        return 0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024)


def _corner(prepared: PreparedSweep, shapes: dict[str, tuple[int, ...]], largest: bool) -> ExtremeModel:
    variant, of = prepared.spec.variant, prepared.control_of
    chosen, model = extreme_model(prepared.space, variant, of, shapes, len(prepared.targets), largest)
    if prepared.finetune:
        model = _with_backbone(prepared, model, chosen)
    return ExtremeModel(
        name="largest" if largest else "smallest",
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        epoch_seconds=_epoch_seconds(prepared, shapes, model, chosen),
        configuration=chosen.model | chosen.backbone,
    )


def _with_backbone(prepared: PreparedSweep, model: Any, configuration: Configuration) -> Any:
    from models.encoders import build_encoder
    from models.finetuned_model import Finetuning, finetuned

    try:
        return finetuned(build_encoder(prepared.encoders["image"]), model, Finetuning(**configuration.backbone))
    except ValueError as error:
        raise InputError(f"--backbone finetune: {error}.") from error


def _epoch_seconds(
    prepared: PreparedSweep, shapes: dict[str, tuple[int, ...]], model: Any, configuration: Configuration
) -> float:
    """Return the duration of an epoch: at most 512 random rows, after one to warm up, scaled to all training rows.

    A fine-tuned backbone is measured on one batch.
    """
    import torch

    from orchestrator.training.settings import FitSettings
    from orchestrator.training.trainer import Trainer

    torch.set_num_threads(prepared.spec.threads)
    settings = FitSettings.from_dict({**configuration.training, "epochs": 2})
    data = _made_up(prepared, shapes, settings.batch_size if prepared.finetune else _TABLE_ROWS)
    training = Trainer(model, data, settings)
    training.run_epoch()
    began = time.perf_counter()
    training.run_epoch()
    return (time.perf_counter() - began) * len(prepared.splits[0].train) / len(data.train)


def _made_up(prepared: PreparedSweep, shapes: dict[str, tuple[int, ...]], at_most: int) -> TrainingData:
    import torch

    from orchestrator.training.training_data import TrainingData

    rows = min(at_most, len(prepared.splits[0].train))
    generator = torch.Generator().manual_seed(0)
    features = {name: torch.randn(rows, *shapes[name], generator=generator) for name in prepared.reads}
    if prepared.finetune:
        features[PIXELS] = torch.randint(256, (rows, *shapes[PIXELS]), dtype=torch.uint8, generator=generator)
    index = torch.arange(rows)
    return TrainingData(
        features=features,
        scores=torch.randn(rows, len(prepared.targets), generator=generator),
        targets=prepared.targets,
        prompt_ids=index // 8,
        train=index,
        validation=index[: -(-rows // 4)],
        test=index,
        stds=torch.ones(rows, len(prepared.targets)),
    )
