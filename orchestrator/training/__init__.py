"""Training and evaluation of a scoring model in plain PyTorch, without Ray, Optuna and MLflow."""

from orchestrator.training.epoch_result import BestEpoch, EpochResult
from orchestrator.training.evaluate import evaluate, predict
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
    "evaluate",
    "fit",
    "list_losses",
    "predict",
    "within_group_srcc",
]
