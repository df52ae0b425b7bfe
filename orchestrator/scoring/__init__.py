"""Scores of images and prompts by a trained model; imports neither Ray nor Optuna nor MLflow."""

from orchestrator.scoring.feature_distribution import FeatureDistribution
from orchestrator.scoring.model_config import ModelConfig, ModelLoadError
from orchestrator.scoring.save_load import load_scorer, save_scorer
from orchestrator.scoring.scorer import Scorer

__all__ = ["FeatureDistribution", "Scorer", "ModelConfig", "ModelLoadError", "load_scorer", "save_scorer"]
