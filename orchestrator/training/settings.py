"""How a training is run."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from math import inf
from numbers import Real
from typing import Any

from orchestrator.core.errors import InputError
from orchestrator.core.lookup import unknown_name_message
from orchestrator.training.losses import build_loss

# What a search-space file can get wrong: a list or a mapping where one value belongs.
_KINDS: dict[Any, type] = {int: Real, float: Real, str: str}


@dataclass(frozen=True)
class FitSettings:
    """Settings of one training; together with the model and the data they decide every bit of it on a CPU.

    Attributes:
        epochs: passes over the training rows; the schedule is laid over all of them.
        lr: peak learning rate of AdamW.
        hypernet_lr_ratio: the parameters under `hypernet.` learn at `lr` times this.
        backbone_lr_ratio: those of a fine-tuned backbone at `lr` times this; with the default `lr`, hyperIQA's 2e-5.
        weight_decay: decoupled, on weights only: never on biases, norms and other vectors.
        batch_size: rows a step at most.
        loss: a mix of registered losses, such as `huber+0.3*rank`, on standardised scores.
        warmup: share of all steps over which the rate climbs linearly, before a cosine takes it to 0.
        clip_norm: largest norm of the gradient; 0 leaves it alone.
        prompt_grouped: fill batches with whole prompts, so that a rank loss finds its pairs.
        ema: decay of an exponential average of the weights, evaluated in their place; 0 is off.
        seed: of the batches and of dropout. The model is initialised by who builds it.
        target_weights: what each target's loss counts for, in the targets' order or by their names, where one that is
            not named weighs 1; None weighs all the same. Only their proportions matter.

    Raises:
        InputError: a value is out of its range or of another kind, or the loss is unknown.
    """

    epochs: int = 15
    lr: float = 1e-3
    hypernet_lr_ratio: float = 1.0
    backbone_lr_ratio: float = 0.02
    weight_decay: float = 0.01
    batch_size: int = 64
    loss: str = "huber"
    warmup: float = 0.05
    clip_norm: float = 1.0
    prompt_grouped: bool = False
    ema: float = 0.0
    seed: int = 0
    target_weights: Sequence[float] | Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            kind = _KINDS.get(field.type)
            if kind and not isinstance(getattr(self, field.name), kind):
                wanted = "a name" if kind is str else "a number"
                raise InputError(f"{field.name} must be {wanted}, not {getattr(self, field.name)!r}.")
        build_loss(self.loss)
        for name, fine, wanted in (
            ("epochs", self.epochs >= 1, "at least 1"),
            ("lr", 0 < self.lr < float("inf"), "above 0"),
            ("hypernet_lr_ratio", 0 <= self.hypernet_lr_ratio < float("inf"), "0 or above"),
            ("backbone_lr_ratio", 0 <= self.backbone_lr_ratio < float("inf"), "0 or above"),
            ("weight_decay", 0 <= self.weight_decay < float("inf"), "0 or above"),
            ("batch_size", self.batch_size >= 1, "at least 1"),
            ("warmup", 0 <= self.warmup < 1, "from 0 to below 1"),
            ("clip_norm", 0 <= self.clip_norm < float("inf"), "0 or above"),
            ("ema", 0 <= self.ema < 1, "from 0 to below 1"),
            ("seed", self.seed >= 0, "0 or above"),
        ):
            if not fine:
                raise InputError(f"{name} must be {wanted}, not {getattr(self, name)}.")
        if self.target_weights is not None:
            object.__setattr__(self, "target_weights", _checked_weights(self.target_weights))

    def weights_of(self, targets: Sequence[str]) -> tuple[float, ...]:
        """The weight of each target; empty where all weigh the same.

        Raises:
            InputError: there are not as many weights as targets, or one is of another target.
        """
        given = self.target_weights
        if given is None:
            return ()
        if isinstance(given, Mapping):
            if strange := [name for name in given if name not in targets]:
                raise InputError(f"target_weights: {unknown_name_message('target', strange[0], targets)}")
            return tuple(given.get(target, 1.0) for target in targets)
        if len(given) != len(targets):
            raise InputError(f"target_weights has {len(given)} numbers, the targets are {', '.join(targets)}.")
        return tuple(float(weight) for weight in given)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as a checkpoint and a tracker keep them."""
        values = asdict(self)
        # As JSON gives it back, so that a checkpoint's settings can be compared with these.
        return {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "FitSettings":
        """The inverse of `as_dict`; raises InputError on a key that is no setting."""
        strange = sorted(set(values) - {field.name for field in fields(cls)})
        if strange:
            raise InputError(f"{', '.join(strange)}: no such setting of a training.")
        return cls(**values)


def _checked_weights(given: Any) -> tuple[float, ...] | dict[str, float]:
    by_name = isinstance(given, Mapping)
    weights = list(given.values()) if by_name else list(given) if isinstance(given, (list, tuple)) else []
    if not weights or not all(isinstance(weight, (int, float)) and 0 < weight < inf for weight in weights):
        raise InputError(f"target_weights must be numbers above 0, one a target, not {given!r}.")
    return dict(given) if by_name else tuple(weights)
