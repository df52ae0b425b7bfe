"""Distributed hyperparameter searches over hypernetworks that score AI-generated images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.core.module_shadowing import put_project_first

put_project_first()

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.scoring import Scorer

__version__ = "0.1.0"

__all__ = ["__version__", "load_scorer"]


def load_scorer(
    model: str,
    tracking_uri: str | None = None,
    sweeps: str = "sweeps",
    device: str = "cpu",
    plugins: Sequence[str] = (),
) -> Scorer:
    """Load a trained model; calling it on images and prompts returns a DataFrame with their scores.

    The last example needs a registered model in MLflow, so it is skipped in tests.

    Args:
        model: `NAME@ALIAS`, `NAME/VERSION`, the id of an MLflow run, a sweep, a saved model's folder, or an exported
            folder or `.zip`.
        tracking_uri: tracking URI of MLflow; by default MLFLOW_TRACKING_URI, or else `mlflow.db` in the working folder.
        sweeps: folder of the sweeps.
        device: device that the model runs on.
        plugins: modules that register the model's variant or encoders; installed plug-ins are found without it.

    Raises:
        InputError: there is no such model, a plug-in is missing, or the model cannot be trusted or used on this
            machine; the message contains the reason.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> import numpy as np
        >>> from models import build_variant
        >>> from models.encoders import build_encoder
        >>> from orchestrator.scoring import ModelConfig, save_scorer
        >>> encoder = build_encoder("efficientnet_lite0@64")
        >>> shapes = {f"image.{name}": shape for name, shape in encoder.shapes.items()}
        >>> parameters = {"widths": [8], "distortion_widths": [0, 0, 0, 8]}
        >>> config = ModelConfig(
        ...     variant="image_hyper",
        ...     parameters=parameters,
        ...     targets=("quality",),
        ...     score_mean=(3.0,),
        ...     score_std=(1.0,),
        ...     encoders={"image": encoder.name},
        ...     encoder_identities={"image": encoder.identity},
        ...     shapes=shapes,
        ... )
        >>> folder = Path(tempfile.mkdtemp())
        >>> save_scorer(folder, config, build_variant("image_hyper", shapes, **parameters))
        >>> table = load_scorer(str(folder))([np.zeros((64, 64, 3), np.uint8)], "a red fox")
        >>> table.columns.tolist()
        ['image', 'prompt', 'quality', 'reason']
        >>> load_scorer("text_hyper@champion")(["fox1.png", "fox2.png"], "a red fox in snow")  # doctest: +SKIP
    """
    from pathlib import Path

    from orchestrator.core.plugins import load_plugins
    from orchestrator.registry.resolve import load_found, resolve_model

    load_plugins(plugins)
    with resolve_model(str(model), Path(sweeps), tracking_uri) as found:
        return load_found(found, device)
