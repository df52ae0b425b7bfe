"""Folder of a saved model: weights and feature distributions as safetensors, configuration as JSON, no other file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.scoring.feature_distribution import FeatureDistribution, load_distributions, save_distributions
from orchestrator.scoring.model_config import ModelConfig, ModelLoadError
from orchestrator.scoring.required_plugins import check_plugins, name_plugins
from orchestrator.scoring.scorer import Scorer

if TYPE_CHECKING:
    from torch import nn

CONFIG, WEIGHTS, DISTRIBUTIONS = "model.json", "model.safetensors", "training_features.safetensors"


def save_scorer(
    folder: Path, config: ModelConfig, model: nn.Module, distributions: Mapping[str, FeatureDistribution] | None = None
) -> None:
    """Write weights as safetensors and the configuration as JSON; no file of the folder contains code.

    Args:
        folder: folder to write to; created if missing.
        config: the model's configuration.
        model: the model with its trained weights.
        distributions: "image" and "prompt" → distribution of the feature over the training rows, to mark inputs that
            are unlike the training's. Inputs of a missing kind are not marked.

    Example:
        >>> import tempfile
        >>> from models import build_variant
        >>> model = build_variant("imagereward_head", {"image_prompt.embedding": (8,)}, widths=[4])
        >>> config = ModelConfig("imagereward_head", {"widths": [4]}, ("alignment",), (3.0,), (1.0,), {}, {}, {})
        >>> folder = Path(tempfile.mkdtemp())
        >>> save_scorer(folder, config, model)
        >>> sorted(path.name for path in folder.iterdir())
        ['model.json', 'model.safetensors']
    """
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    save_file(state, folder / WEIGHTS)
    content = asdict(name_plugins(config))
    if not content["plugins"]:
        del content["plugins"]  # the file of a built-in model stays as it always was
    (folder / CONFIG).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    if distributions:
        save_distributions(distributions, folder / DISTRIBUTIONS)


def load_scorer(folder: Path, device: str = "cpu") -> Scorer:
    """Load a saved model.

    Args:
        folder: contains `model.json`, `model.safetensors` and, except for models of earlier versions,
            `training_features.safetensors`; a folder with other files is rejected.
        device: device that encoders and model run on.

    Raises:
        ModelLoadError: the folder contains no model or other files. Or the model has another schema version, other
            encoders, or a plug-in that is not loaded.

    Example:
        >>> import tempfile
        >>> from models import build_variant
        >>> from models.encoders import build_encoder
        >>> encoder = build_encoder("efficientnet_lite0@64")
        >>> shapes = {f"image.{name}": shape for name, shape in encoder.shapes.items()}
        >>> parameters = {"widths": [8], "distortion_widths": [0, 0, 0, 8]}
        >>> encoders, identities = {"image": encoder.name}, {"image": encoder.identity}
        >>> config = ModelConfig("image_hyper", parameters, ("quality",), (3.0,), (1.0,), encoders, identities, shapes)
        >>> folder = Path(tempfile.mkdtemp())
        >>> save_scorer(folder, config, build_variant("image_hyper", shapes, **parameters))
        >>> load_scorer(folder).config == config
        True
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from models import build_variant
    from models.encoders import build_encoder
    from models.finetuned_model import Finetuning, finetuned

    try:
        _reject_extra_files(folder)
        config = read_config(folder)
        check_plugins(config)
        state = load_file(folder / WEIGHTS)
        distributions = load_distributions(folder / DISTRIBUTIONS) if (folder / DISTRIBUTIONS).exists() else {}
        scoring = build_variant(config.variant, config.shapes, len(config.targets), **config.parameters)
        model: nn.Module = scoring
        if config.backbone is not None:
            model = finetuned(build_encoder(config.encoders["image"]), scoring, Finetuning(**config.backbone))
        model.load_state_dict(state)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise ModelLoadError(f"{folder} holds no model that can be read: {' '.join(str(error).split())}") from error
    return Scorer(config, model, device, distributions)


def read_config(folder: Path) -> ModelConfig:
    """Read a saved model's configuration without its weights.

    Raises:
        OSError, ValueError, KeyError, TypeError: the folder contains no configuration that can be read.

    Example:
        >>> import tempfile
        >>> from torch import nn
        >>> config = ModelConfig("text_hyper", {}, ("alignment",), (3.0,), (1.0,), {}, {}, {})
        >>> folder = Path(tempfile.mkdtemp())
        >>> save_scorer(folder, config, nn.Linear(2, 1))
        >>> read_config(folder) == config
        True
    """
    content = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise ValueError(f"{CONFIG} holds no object")
    return ModelConfig.from_json(content)


def _reject_extra_files(folder: Path) -> None:
    """Raise ModelLoadError if there are files other than the data files; such a file could be meant to be run."""
    known = {CONFIG, WEIGHTS, DISTRIBUTIONS}
    extra = sorted(path.name for path in folder.iterdir() if path.name not in known or not path.is_file())
    if extra:
        raise ModelLoadError(f"{folder} holds {extra[0]}, which is not part of a model, so it is not loaded.")
