"""Results of an epoch of a training."""

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
    """Result of one epoch, measured after its last step.

    Attributes:
        epoch: number of completed epochs, from 1.
        train_loss: mean loss over the epoch's rows, in training mode (dropout on).
        validation: target → correlations on the validation rows.
        objective: mean validation SRCC over the targets; NaN if that is undefined or the training diverged.
        lr: learning rate of the last step, for parameters outside the hypernet.
        seconds: wall time of training and validation.
        diverged: whether the loss or a prediction was not finite, which ends the training.

    Example:
        >>> validation = {"quality": Correlations(srcc=0.8, plcc=0.7, krcc=0.6, rmse=0.5)}
        >>> result = EpochResult(1, 0.3, validation, objective=0.8, lr=1e-3, seconds=2.0, diverged=False)
        >>> result.as_dict()["val_srcc"], EpochResult.from_json(result.to_json()) == result
        (0.8, True)
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
        """Reason why the objective is NaN; None if it is a number."""
        if self.diverged:
            return "the loss or a prediction is not finite"
        return next((measured.reason for measured in self.validation.values() if measured.reason), None)

    def as_dict(self) -> dict[str, float]:
        """Return flat metrics: `val_srcc` and others as means over targets, and each target's if there are several."""
        flat: dict[str, float] = {
            "epoch": self.epoch,
            "train_loss": self.train_loss,
            "lr": self.lr,
            "seconds": self.seconds,
        }
        for metric in _METRICS:
            values = {target: getattr(measured, metric) for target, measured in self.validation.items()}
            flat[f"val_{metric}"] = fmean(values.values())
            if len(values) > 1:
                flat |= {f"val_{metric}_{target}": value for target, value in values.items()}
        if not isfinite(self.objective):
            flat["val_srcc"] = self.objective
        return flat

    def to_json(self) -> dict[str, Any]:
        """Return every field, with NaN as null (JSON has no NaN)."""
        return {
            "epoch": self.epoch,
            "train_loss": _null(self.train_loss),
            "validation": {
                target: {key: _null(value) for key, value in measured.as_dict().items()}
                for target, measured in self.validation.items()
            },
            "objective": _null(self.objective),
            "lr": self.lr,
            "seconds": self.seconds,
            "diverged": self.diverged,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "EpochResult":
        """Read what `to_json` returned."""
        validation = {
            target: Correlations(
                **{key: _nan(value) for key, value in fields.items() if key != "reason"},
                reason=fields["reason"],
            )
            for target, fields in values["validation"].items()
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
    """Epoch with the highest objective so far, and the model state evaluated in that epoch.

    Attributes:
        result: result of that epoch.
        model_state: the model's state on the CPU, calibration included; averaged weights if `ema` is on.

    Example:
        >>> result = EpochResult(1, 0.3, {}, objective=0.8, lr=1e-3, seconds=2.0, diverged=False)
        >>> BestEpoch(result, model_state={}).result.epoch
        1
    """

    result: EpochResult
    model_state: Mapping[str, Tensor]


def _null(value: Any) -> Any:
    return value if not isinstance(value, float) or isfinite(value) else None


def _nan(value: float | None) -> float:
    return nan if value is None else value
