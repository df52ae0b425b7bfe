"""Using a trained model: images and prompts in, scores out. Knows no Ray, no Optuna and no MLflow."""

from orchestrator.scoring.card import ScorerCard, ScorerError
from orchestrator.scoring.folder import load_scorer, save_scorer
from orchestrator.scoring.scorer import Scorer

__all__ = ["Scorer", "ScorerCard", "ScorerError", "load_scorer", "save_scorer"]
