"""MLflow's client without telemetry, log and progress bars, which have to be disabled before the import."""

import os

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_CONFIGURE_LOGGING", "false")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

__all__ = ["EXPERIMENT_KIND", "MlflowClient", "MlflowException"]

EXPERIMENT_KIND = {"mlflow.experimentKind": "custom_model_development"}
"""Tag of an experiment. Without it MLflow opens a page about traces of language models."""
