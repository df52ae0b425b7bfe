"""Hyperparameter searches over hypernetworks that score AI-generated images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.core.import_path import put_project_first

put_project_first()

if TYPE_CHECKING:
    from orchestrator.scoring import Scorer

__version__ = "0.1.0"

__all__ = ["__version__", "load_scorer"]


def load_scorer(model: str, tracking_uri: str | None = None, sweeps: str = "sweeps", device: str = "cpu") -> Scorer:
    """Load a model that scores images: `load_scorer("text_hyper@champion")(images, prompts)` returns a DataFrame.

    Args:
        model: `NAME@ALIAS`, `NAME/VERSION`, the id of an MLflow run, a sweep, or an exported folder or `.zip`.
        tracking_uri: address of MLflow; MLFLOW_TRACKING_URI or `mlflow.db` in the working folder if not given.
        sweeps: folder that holds the sweeps.
        device: `cpu` or `cuda`.

    Raises:
        InputError: the model is missing, damaged, or cannot be used here; the message names the reason.
    """
    from pathlib import Path

    from orchestrator.registry.resolve import load_found, resolve_model

    with resolve_model(str(model), Path(sweeps), tracking_uri) as found:
        return load_found(found, device)
