"""How a training is run."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from orchestrator.errors import InputError
from orchestrator.training.losses import build_loss


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

    Raises:
        InputError: a value is out of its range, or the loss is unknown.
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

    def __post_init__(self) -> None:
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

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as a checkpoint and a tracker keep them."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "FitSettings":
        """The inverse of `as_dict`; raises InputError on a key that is no setting."""
        unknown = sorted(set(values) - {field.name for field in fields(cls)})
        if unknown:
            raise InputError(f"{', '.join(unknown)}: no such setting of a training.")
        return cls(**values)
