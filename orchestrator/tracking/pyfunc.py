"""What `mlflow.pyfunc.load_model` and `mlflow models serve` run: this package on a folder of safetensors and JSON.

MLflow imports this module by its name; no object of it is ever pickled.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.tracking.digest import folder_digest

if TYPE_CHECKING:
    import pandas as pd

LOADER = __name__
DIGEST = "sha256"
"""In the metadata of the file `MLmodel`: what `folder_digest` has to say of the model's folder."""


class ScoringModel:
    """Scores the rows of a table.

    Args:
        folder: of the saved model.
    """

    def __init__(self, folder: Path) -> None:
        from orchestrator.scoring import load_scorer

        self._score = load_scorer(folder)

    def predict(self, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Scores, and why an image has none.

        Args:
            model_input: columns `image` (a path on the machine that scores, a `data:` URL, or base64 of an image
                file), `prompt` and, for a model that reads them, `criteria`.
            params: none are known.
        """
        criteria = list(model_input["criteria"]) if self._score.needs_criteria else None
        scored = self._score(list(model_input["image"]), list(model_input["prompt"]), criteria)
        scored = scored.drop(columns=["image", "prompt"])
        if scored["reason"].isna().all():
            return scored
        return scored.astype(object).where(scored.notna(), None)  # JSON has no NaN


def _load_pyfunc(data_path: str) -> ScoringModel:
    """MLflow's entry point.

    Raises:
        ScorerError: the files are not those that were logged, or cannot be scored with.
    """
    folder = Path(data_path)
    if (said := _said(folder.parents[1] / "MLmodel")) and said != folder_digest(folder):
        from orchestrator.scoring import ScorerError

        raise ScorerError(f"The model in {folder} is not the one that was logged: its files have changed.")
    return ScoringModel(folder)


def _said(file: Path) -> str | None:
    import yaml

    try:
        found = (yaml.safe_load(file.read_text()).get("metadata") or {}).get(DIGEST)
    except (OSError, yaml.YAMLError, AttributeError):
        return None
    return found if isinstance(found, str) else None
