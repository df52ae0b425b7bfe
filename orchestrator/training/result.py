"""What an epoch of a training gives."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite, nan
from statistics import fmean
from typing import Any

from torch import Tensor

from orchestrator.training.metrics import Correlations

_METRICS = ("srcc", "plcc", "krcc", "rmse")


@dataclass(frozen=True)
class EpochResult:
    """One epoch, measured after its last step.

    Attributes:
        epoch: epochs done, from 1.
        train_loss: mean loss over the epoch's rows, as trained (dropout on).
        validation: target → agreement on the validation rows.
        objective: mean validation SRCC over the targets; NaN if that is undefined or the training diverged.
        lr: learning rate of the last step, of what is not the hypernet.
        seconds: wall time of training and validation.
        diverged: the loss or a prediction was not finite; the training ends here.
    """

    epoch: int
    train_loss: float
    validation: Mapping[str, Correlations]
    objective: float
    lr: float
    seconds: float
    diverged: bool

    @property
    def reason(self) -> str | None:
        """Why the objective is NaN, in words; None where it is a number."""
        if self.diverged:
            return "the loss or a prediction is not finite"
        return next((found.reason for found in self.validation.values() if found.reason), None)

    def as_dict(self) -> dict[str, float]:
        """Flat metrics: `val_srcc` and its kin as means over targets, and each target's own where several."""
        flat: dict[str, float] = {
            "epoch": self.epoch,
            "train_loss": self.train_loss,
            "lr": self.lr,
            "seconds": self.seconds,
        }
        for metric in _METRICS:
            values = {target: getattr(found, metric) for target, found in self.validation.items()}
            flat[f"val_{metric}"] = fmean(values.values())
            if len(values) > 1:
                flat |= {f"val_{metric}_{target}": value for target, value in values.items()}
        if not isfinite(self.objective):
            flat["val_srcc"] = self.objective
        return flat

    def to_json(self) -> dict[str, Any]:
        """Every field, with NaN as null (JSON has no NaN)."""
        return {
            "epoch": self.epoch,
            "train_loss": _null(self.train_loss),
            "validation": {
                target: {key: _null(value) for key, value in found.as_dict().items()}
                for target, found in self.validation.items()
            },
            "objective": _null(self.objective),
            "lr": self.lr,
            "seconds": self.seconds,
            "diverged": self.diverged,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "EpochResult":
        """The inverse of `to_json`."""
        validation = {
            target: Correlations(
                **{key: _nan(value) for key, value in found.items() if key != "reason"},
                reason=found["reason"],
            )
            for target, found in values["validation"].items()
        }
        return cls(
            **{
                **values,
                "train_loss": _nan(values["train_loss"]),
                "objective": _nan(values["objective"]),
                "validation": validation,
            }
        )


@dataclass(frozen=True)
class BestEpoch:
    """The epoch with the highest objective so far, and the model as it was evaluated then.

    Attributes:
        result: that epoch.
        model_state: the model's state on the CPU, calibration included; averaged weights where `ema` is on.
    """

    result: EpochResult
    model_state: Mapping[str, Tensor]


def _null(value: Any) -> Any:
    return value if not isinstance(value, float) or isfinite(value) else None


def _nan(value: float | None) -> float:
    return nan if value is None else value
