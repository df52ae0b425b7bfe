"""The dry run: builds the smallest and the largest model of the space, takes one step of each, and estimates."""

from __future__ import annotations

import math
import os
import sys
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from rich.console import Console

from orchestrator.core.errors import InputError
from orchestrator.data.feature_store import PIXELS
from orchestrator.execution.check_space import source_of
from orchestrator.execution.extreme_models import BYTES_PER_PARAMETER, extreme_model
from orchestrator.execution.prepare import PreparedSweep, feature_shapes
from orchestrator.search.enumeration import all_configurations
from orchestrator.search.space import Configuration, SearchSpace

if TYPE_CHECKING:
    from orchestrator.training.training_data import TrainingData

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
        training: values of the searched settings of the training.
        diverges: whether the loss or a prediction is not finite within two epochs on random data.
    """

    name: str
    parameters: int
    epoch_seconds: float
    configuration: dict[str, Any]
    training: dict[str, Any] = field(default_factory=dict)
    diverges: bool = False

    def warning(self) -> str:
        """Return a sentence that says that the model diverges, and with which settings."""
        settings = ", ".join(
            f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"
            for name, value in self.training.items()
        )
        return (
            f"The {self.name} model diverges within two epochs on random data with {settings or 'these settings'}: "
            "such trials would end as diverged."
        )


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
        few: sentence for each search whose space has fewer configurations than the budget has trials.
        cross: the rows of a second data set that are scored, as JSON; None without one.
        cross_sentences: the same for people.
        space: search space of the variant, as its file has it.
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
    few: tuple[str, ...] = ()
    cross: dict[str, Any] | None = None
    cross_sentences: tuple[str, ...] = ()
    space: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the report for JSON."""
        return {key: value for key, value in asdict(self).items() if key not in {"cross_sentences", "few"}}

    def show(self, console: Console) -> None:
        """Print the report."""
        parts = ", ".join(f"{count} {part}" for part, count in self.splits.items())
        lines = [
            f"Would search {self.variant} for {' and '.join(self.targets)} on {self.images} images of "
            f"{self.prompts} prompts ({parts}).",
            f"{self.trials} trials, as many of the control if there is one, and confirm runs: {self.trainings} "
            "trainings at most.",
            *self.few,
            *self.cross_sentences,
            *(
                f"The {corner.name} model has {corner.parameters:,} parameters and takes about "
                f"{corner.epoch_seconds:.2g} s an epoch: {corner.configuration}"
                for corner in self.corners
            ),
            *(corner.warning() for corner in self.corners if corner.diverges),
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
    trials = {study: _trials(space, spec.trials) for study, space in _spaces(prepared).items()}
    trainings = sum(count + min(spec.confirm, count) * spec.splits for count in trials.values())
    slots = max(1, math.floor((os.cpu_count() or 1) / (spec.cpus_per_trial or 1)))
    slots = min(slots, spec.concurrency or slots)
    seconds = [trainings * spec.epochs * corner.epoch_seconds / slots for corner in corners]
    rows = sum(math.prod(shapes[name]) for name in prepared.reads) * len(prepared.dataset)
    needed = corners[1].parameters * BYTES_PER_PARAMETER + rows * 6 + _PROCESS_BYTES
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
        few=tuple(_few(study, count) for study, count in trials.items() if count < spec.trials),
        cross=prepared.cross.as_dict() if prepared.cross else None,
        cross_sentences=tuple(prepared.cross.sentences()) if prepared.cross else (),
        space=prepared.space.model_dump(mode="json"),
    )


def _spaces(prepared: PreparedSweep) -> dict[str, SearchSpace]:
    control = {"control": prepared.control_space} if prepared.control_space is not None else {}
    return {"search": prepared.space, **control}


def _trials(space: SearchSpace, budget: int) -> int:
    few = all_configurations(space)
    return budget if few is None else min(budget, len(few))


def _few(study: str, count: int) -> str:
    number, trials = ("1 configuration", "1 trial") if count == 1 else (f"{count} configurations", f"{count} trials")
    return f"The space of the {study} has {number}: it ends after {trials}."


def _peak_bytes() -> float:
    """Return the peak memory of this process, which has just trained a step of each model; feature maps dominate it."""
    if sys.platform == "win32":
        return 0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024)


def _corner(prepared: PreparedSweep, shapes: dict[str, tuple[int, ...]], largest: bool) -> ExtremeModel:
    variant, of = prepared.spec.variant, prepared.control_of
    name = "largest" if largest else "smallest"
    try:
        chosen, model = extreme_model(prepared.space, variant, of, shapes, len(prepared.targets), largest)
    except InputError as error:
        raise InputError(f"{source_of(prepared.spec)}: the {name} model: {error}") from error
    if prepared.finetune:
        model = _with_backbone(prepared, model, chosen)
    seconds, diverges = _measure(prepared, shapes, model, chosen)
    searched = prepared.space.parameters()
    return ExtremeModel(
        name=name,
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        epoch_seconds=seconds,
        configuration=chosen.model | chosen.backbone,
        training={name: value for name, value in chosen.training.items() if name in searched},
        diverges=diverges,
    )


def _with_backbone(prepared: PreparedSweep, model: Any, configuration: Configuration) -> Any:
    from models.encoders import build_encoder
    from models.finetuned_model import Finetuning, finetuned

    try:
        return finetuned(build_encoder(prepared.encoders["image"]), model, Finetuning(**configuration.backbone))
    except ValueError as error:
        raise InputError(f"--backbone finetune: {error}.") from error


def _measure(
    prepared: PreparedSweep, shapes: dict[str, tuple[int, ...]], model: Any, configuration: Configuration
) -> tuple[float, bool]:
    """Return the duration of an epoch, and whether the training diverged.

    The duration is of at most 512 random rows, after an epoch to warm up, scaled to all training rows. A fine-tuned
    backbone is measured on one batch.
    """
    import torch

    from orchestrator.training.settings import FitSettings
    from orchestrator.training.trainer import Trainer

    torch.set_num_threads(prepared.spec.threads)
    settings = FitSettings.from_dict({**configuration.training, "epochs": 2})
    data = _made_up(prepared, shapes, settings.batch_size if prepared.finetune else _TABLE_ROWS)
    training = Trainer(model, data, settings)
    result = training.run_epoch()
    if not result.diverged:
        result = training.run_epoch()
    return result.seconds * len(prepared.splits[0].train) / len(data.train), result.diverged


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
