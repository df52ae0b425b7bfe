"""A saved model's folder: weights as safetensors, the card as JSON, and nothing else."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.scoring.model_config import ModelConfig, ModelLoadError
from orchestrator.scoring.scorer import Scorer

if TYPE_CHECKING:
    from torch import nn

CARD, WEIGHTS = "model.json", "model.safetensors"


def save_scorer(folder: Path, card: ModelConfig, model: nn.Module) -> None:
    """Writes weights as safetensors and the card as JSON; nothing in the folder is code."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    save_file(state, folder / WEIGHTS)
    (folder / CARD).write_text(json.dumps(asdict(card), indent=1) + "\n")


def load_scorer(folder: Path, device: str = "cpu") -> Scorer:
    """Reads a saved model back.

    Args:
        folder: holds `model.json` and `model.safetensors`; whatever else it holds, it is refused.
        device: where encoders and model run.

    Raises:
        ModelLoadError: the folder holds none, or one of another schema version or other encoders, or more than a model.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from models import build_variant
    from models.encoders import build_encoder
    from models.finetuned_model import Finetuning, finetuned

    try:
        _reject_extra_files(folder)
        card = read_card(folder)
        state = load_file(folder / WEIGHTS)
        scoring = build_variant(card.variant, card.shapes, len(card.targets), **card.parameters)
        model: nn.Module = scoring
        if card.backbone is not None:
            model = finetuned(build_encoder(card.encoders["image"]), scoring, Finetuning(**card.backbone))
        model.load_state_dict(state)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise ModelLoadError(f"{folder} holds no model that can be read: {' '.join(str(error).split())}") from error
    return Scorer(card, model, device)


def read_card(folder: Path) -> ModelConfig:
    """The card alone; raises OSError, ValueError, KeyError or TypeError where there is none."""
    content = json.loads((folder / CARD).read_text())
    if not isinstance(content, dict):
        raise ValueError(f"{CARD} holds no object")
    return ModelConfig.from_json(content)


def _reject_extra_files(folder: Path) -> None:
    """A model is two files of data; one that comes with more may count on somebody's running it."""
    strange = sorted(path.name for path in folder.iterdir() if path.name not in {CARD, WEIGHTS} or not path.is_file())
    if strange:
        raise ModelLoadError(f"{folder} holds {strange[0]}, which is no part of a model: it is not loaded.")
