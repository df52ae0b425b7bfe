"""Checks of a search space against what it is for: keys, settings of the training, models, backbone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from itertools import islice
from typing import TYPE_CHECKING, Any

from orchestrator.core.errors import InputError
from orchestrator.core.near_matches import unknown_name_message
from orchestrator.core.spec import SweepSpec
from orchestrator.core.validation_reason import shown
from orchestrator.execution.extreme_models import MOST_BUILT, count_parameters
from orchestrator.search.corners import meet_conditions
from orchestrator.search.space import SearchSpace

if TYPE_CHECKING:
    from orchestrator.data import Dataset


def source_of(spec: SweepSpec) -> str:
    """Return the file of a sweep's space, or a name for the shipped one, and whether `--set` changes it."""
    return f"{spec.space or f'The space of {spec.variant}'}{' with --set' if spec.set else ''}"


def check_keys(space: SearchSpace, spec: SweepSpec, parameters: Iterable[str]) -> None:
    """Raise InputError for a key that the variant lacks."""
    known = {"model": set(parameters), "hypernet": set(parameters)}
    for section, names in known.items():
        for key in getattr(space, section):
            if key not in names:
                message = unknown_name_message(f"parameter of {spec.variant}", key, names)
                raise InputError(f"{source_of(spec)}: {section}.{key}: {message}")


def check_training(space: SearchSpace, spec: SweepSpec, dataset: Dataset, targets: tuple[str, ...]) -> None:
    """Raise InputError for an unknown key, a value out of range, or a loss that needs what this data lacks."""
    from orchestrator.training.losses import build_loss
    from orchestrator.training.settings import FitSettings

    for largest in (False, True):
        for training in {repr(corner.training): corner.training for corner in space.corners(largest)}.values():
            try:
                settings = FitSettings.from_dict({**training, "epochs": spec.epochs})
                settings.weights_of(targets)
                build_loss(settings.loss).check_std(dataset.lacking_stds(targets))
            except InputError as error:
                raise InputError(f"{source_of(spec)}: training: {error}") from error


def check_models(
    space: SearchSpace, spec: SweepSpec, of: str | None, shapes: Mapping[str, tuple[int, ...]], targets: int
) -> None:
    """Build, without memory, the model of the defaults and one for each end and each choice of a model's parameter.

    Args:
        space: search space.
        spec: settings of the sweep.
        of: variant that the sweep's variant is the control of, if any.
        shapes: of the features, by name, without the rows.
        targets: number of predicted scores.

    Raises:
        InputError: a model cannot be built; the message names the parameter, unless it is fixed.
    """
    for place, values in islice(_single_changes(space), MOST_BUILT):
        try:
            count_parameters(space.configuration_of(values), spec.variant, of, shapes, targets)
        except InputError as error:
            raise InputError(f"{source_of(spec)}: {place}: {error}") from error


def _single_changes(space: SearchSpace) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the defaults and then each other end or choice of a model's parameter, with a name for it."""
    parameters, defaults = space.parameters(), space.default_choices()
    yield "model, with the defaults", defaults
    for section in ("model", "hypernet"):
        for name in getattr(space, section):
            low, high = parameters[name].ends() if name in parameters else ((), ())
            for value in (*low, *(end for end in high if end not in low)):
                changed = meet_conditions({**defaults, name: value}, name, parameters)
                yield f"{section}.{name} of {shown(value)}", changed


def check_backbone(space: SearchSpace, spec: SweepSpec, encoder: str, reads: tuple[str, ...]) -> None:
    """Check that the variant has a backbone to fine-tune and that the space's section `backbone` fits it.

    Raises:
        InputError: what is wrong, in one sentence.
    """
    from models.encoders import build_encoder
    from models.finetuned_model import Finetuning, trainable

    if not any(name.startswith("image.") for name in reads):
        raise InputError(f"--backbone finetune: {spec.variant} reads no image features, only {', '.join(reads)}.")
    try:
        parts = len(trainable(build_encoder(encoder)).load_backbone().parts())
    except ValueError as error:
        raise InputError(f"--backbone finetune: {error}.") from error
    source = source_of(spec)
    known = [field.name for field in fields(Finetuning)]
    for key in space.backbone:
        if key not in known:
            raise InputError(f"{source}: backbone.{key}: {unknown_name_message('setting of a backbone', key, known)}")
    for largest in (False, True):
        for corner in space.corners(largest):
            _check_types(corner.backbone, source)
            try:
                Finetuning(**corner.backbone).check(parts, encoder)
            except (TypeError, ValueError) as error:
                raise InputError(f"{source}: backbone: {error}.") from error


def _check_types(backbone: Mapping[str, Any], source: str) -> None:
    for name, value in backbone.items():
        truth = name == "flips"
        if isinstance(value, bool) != truth or not isinstance(value, int):
            wanted = "true or false" if truth else "a whole number"
            raise InputError(f"{source}: backbone.{name} must be {wanted}, not {shown(value)}.")
