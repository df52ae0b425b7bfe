"""Training and evaluation of a scoring model in plain PyTorch, without Ray, Optuna and MLflow.

Names are loaded on first use, so that commands that read figures of a training do not load PyTorch.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrator.training.epoch_result import BestEpoch, EpochResult
    from orchestrator.training.evaluate import predict
    from orchestrator.training.losses import build_loss, list_losses
    from orchestrator.training.metrics import Correlations, WithinGroup, correlations, within_group_srcc
    from orchestrator.training.settings import FitSettings
    from orchestrator.training.trainer import Trainer, TrainingState, fit
    from orchestrator.training.training_data import ScoreScale, TrainingData

__all__ = [
    "BestEpoch",
    "Correlations",
    "EpochResult",
    "FitSettings",
    "ScoreScale",
    "Trainer",
    "TrainingData",
    "TrainingState",
    "WithinGroup",
    "build_loss",
    "correlations",
    "fit",
    "list_losses",
    "predict",
    "within_group_srcc",
]

_HOME = {
    "BestEpoch": "epoch_result",
    "Correlations": "metrics",
    "EpochResult": "epoch_result",
    "FitSettings": "settings",
    "ScoreScale": "training_data",
    "Trainer": "trainer",
    "TrainingData": "training_data",
    "TrainingState": "trainer",
    "WithinGroup": "metrics",
    "build_loss": "losses",
    "correlations": "metrics",
    "fit": "trainer",
    "list_losses": "losses",
    "predict": "evaluate",
    "within_group_srcc": "metrics",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
