"""Settings of a training."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from math import inf
from numbers import Integral, Real
from typing import Any

from orchestrator.core.errors import InputError
from orchestrator.core.near_matches import unknown_name_message
from orchestrator.training.losses import build_loss

# Types of the fields that a search-space file can set wrongly, to a list or a mapping instead of a single value.
_KINDS: dict[Any, tuple[type, str]] = {
    int: (Integral, "a whole number"),
    float: (Real, "a number"),
    str: (str, "a name"),
    bool: (int, "true or false"),
}


@dataclass(frozen=True)
class FitSettings:
    """Settings of one training; on a CPU, settings, model and data determine every bit of its result.

    Attributes:
        epochs: passes over the training rows; the schedule spans all of them.
        lr: peak learning rate of AdamW.
        hypernet_lr_ratio: ratio to `lr` of the peak rate of parameters under `hypernet.`.
        backbone_lr_ratio: ratio to `lr` of a fine-tuned backbone's peak rate; by default hyperIQA's 2e-5.
        weight_decay: decoupled decay of weight matrices, without biases, norms and other vectors.
        batch_size: largest number of rows of a step.
        loss: a mix of registered losses, such as `huber+0.3*rank`, on standardised scores.
        warmup: share of all steps over which the rate rises linearly, before it falls to 0 on a cosine.
        clip_norm: largest norm of the gradient; 0 for no clipping.
        prompt_grouped: whether batches consist of whole prompts, so that a rank loss has pairs.
        ema: decay of an exponential average of the weights, which is evaluated in their place; 0 is off.
        seed: seed of the batches and of dropout. The caller initialises the model.
        target_weights: weights of the targets' losses, in the targets' order or by name; None for equal weights.
            A target that is not named has the weight 1. Only the proportions matter.

    Raises:
        InputError: a value is out of its range or of another type, or the loss is unknown.

    Example:
        >>> settings = FitSettings(epochs=5, loss="huber+0.3*rank", target_weights={"quality": 2})
        >>> settings.weights_of(["quality", "alignment"])
        (2, 1.0)
        >>> FitSettings.from_dict(settings.as_dict()) == settings
        True
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
            kind, wanted = _KINDS.get(field.type, (object, ""))
            value = getattr(self, field.name)
            if not isinstance(value, kind) or (isinstance(value, bool) and field.type in (int, float)):
                raise InputError(f"{field.name} must be {wanted}, not {value!r}.")
        build_loss(self.loss)
        for name, valid, wanted in (
            ("epochs", self.epochs >= 1, "at least 1"),
            ("lr", 0 < self.lr < float("inf"), "above 0"),
            ("hypernet_lr_ratio", 0 <= self.hypernet_lr_ratio < float("inf"), "0 or above"),
            ("backbone_lr_ratio", 0 <= self.backbone_lr_ratio < float("inf"), "0 or above"),
            ("weight_decay", 0 <= self.weight_decay < float("inf"), "0 or above"),
            ("batch_size", 1 <= self.batch_size < 2**31, "from 1 to 2147483647"),
            ("warmup", 0 <= self.warmup < 1, "from 0 to below 1"),
            ("clip_norm", 0 <= self.clip_norm < float("inf"), "0 or above"),
            ("ema", 0 <= self.ema < 1, "from 0 to below 1"),
            ("seed", self.seed >= 0, "0 or above"),
        ):
            if not valid:
                raise InputError(f"{name} must be {wanted}, not {getattr(self, name)}.")
        if self.target_weights is not None:
            object.__setattr__(self, "target_weights", _checked_weights(self.target_weights))

    def weights_of(self, targets: Sequence[str]) -> tuple[float, ...]:
        """Return the weight of each target; empty if all targets have the same weight.

        Raises:
            InputError: the number of weights is not the number of targets, or a weight is of another target.
        """
        weights = self.target_weights
        if weights is None:
            return ()
        if isinstance(weights, Mapping):
            if unknown := [name for name in weights if name not in targets]:
                raise InputError(f"target_weights: {unknown_name_message('target', unknown[0], targets)}")
            return tuple(weights.get(target, 1.0) for target in targets)
        if len(weights) != len(targets):
            raise InputError(f"target_weights has {len(weights)} numbers, the targets are {', '.join(targets)}.")
        return tuple(float(weight) for weight in weights)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for checkpoints and MLflow."""
        values = asdict(self)
        # The same types as after a round trip through JSON, for comparison with a checkpoint's settings.
        return {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "FitSettings":
        """Read what `as_dict` returned; raise InputError for a key that is not a setting."""
        unknown = sorted(set(values) - {field.name for field in fields(cls)})
        if unknown:
            raise InputError(f"{', '.join(unknown)}: no such setting of a training.")
        return cls(**values)


def _checked_weights(given: Any) -> tuple[float, ...] | dict[str, float]:
    by_name = isinstance(given, Mapping)
    weights = list(given.values()) if by_name else list(given) if isinstance(given, (list, tuple)) else []
    if not weights or not all(isinstance(weight, (int, float)) and 0 < weight < inf for weight in weights):
        raise InputError(f"target_weights must be numbers above 0, one a target, not {given!r}.")
    return dict(given) if by_name else tuple(weights)
