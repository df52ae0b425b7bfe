"""Scores of a saved model on stored features, computed as in training and therefore the same bit for bit."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.core.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from orchestrator.data import Dataset


def score_stored(folder: Path, dataset: Dataset, names: Sequence[str], threads: int) -> NDArray[np.float32] | None:
    """Return scores (n, T) in MOS units of some images; None if their features are not stored on this machine.

    Args:
        folder: folder of the saved scorer.
        dataset: data set that it was trained on.
        names: names of n images.
        threads: number of threads of its training; another number may change the order of sums.

    Raises:
        ValueError: the weights do not fit the model of the config.
    """
    import torch
    from safetensors.torch import load_file

    from models import build_variant
    from orchestrator.data import FeatureStore
    from orchestrator.training.evaluate import predict
    from orchestrator.training.training_data import ScoreScale

    config = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    if config["backbone"] is not None:  # its features are pixels, which the scorer reads as well
        return None
    try:
        stored = FeatureStore().stored(dataset, config["encoders"], config["shapes"])
    except InputError:
        return None
    if stored is None or dict(stored.identity) != config["encoder_identities"]:
        return None
    shapes = {name: tuple(shape) for name, shape in config["shapes"].items()}
    model = build_variant(config["variant"], shapes, len(config["targets"]), **config["parameters"])
    try:
        model.load_state_dict(load_file(folder / "model.safetensors"))
    except RuntimeError as error:
        raise ValueError(f"its weights do not fit: {error}") from error
    row_of = {name: row for row, name in enumerate(dataset.names)}
    rows = torch.tensor([row_of[name] for name in names])
    scale = ScoreScale(torch.tensor(config["score_mean"]), torch.tensor(config["score_std"]))
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        return predict(model, stored.tensors(), rows, scale)
    finally:
        torch.set_num_threads(before)
