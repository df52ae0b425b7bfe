"""Untrained model with the real default encoders, saved in the same way as by a confirm run."""

import numpy as np
import torch
from PIL import Image

from models import build_variant
from models.encoders import build_encoder
from orchestrator.scoring import FeatureDistribution, ModelConfig, save_scorer

ENCODERS = {"image": "efficientnet_lite0", "prompt": "minilm", "image_prompt": "conse"}
QUANTILES = {"alignment": tuple(1 + 4 * place / 100 for place in range(101))}


def save_model(folder, quantiles=QUANTILES, distributions=True):
    encoders = {kind: build_encoder(name) for kind, name in ENCODERS.items()}
    image, prompt = encoders["image"].shapes, encoders["prompt"].shapes
    arrays = {"image": image, "prompt": prompt, "image_prompt": encoders["image_prompt"].shapes_for(image, prompt)}
    shapes = {f"{kind}.{name}": shape for kind, found in arrays.items() for name, shape in found.items()}
    parameters = {"widths": [8], "standardize": True}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = build_variant("text_hyper", shapes, 1, **parameters)
        # As the default encoders scale them: an uncalibrated hypernet gives every image the same score, nearly.
        model.calibrate({name: 0.05 * torch.randn(32, *shapes[name]) for name in model.reads})
    read = {name: shapes[name] for name in model.reads}
    identities = {kind: encoder.identity for kind, encoder in encoders.items()}
    config = ModelConfig(
        "text_hyper", parameters, ("alignment",), (3.0,), (1.0,), ENCODERS, identities, read, mos_quantiles=quantiles
    )
    random = np.random.default_rng(0)
    statistics = np.abs(random.normal(size=(60, *shapes["image.statistics"])))
    embeddings = random.normal(size=(60, *shapes["prompt.embedding"])) / shapes["prompt.embedding"][0] ** 0.5
    made = {"image": statistics, "prompt": embeddings} if distributions else {}
    fitted = {kind: FeatureDistribution.fit(kind, rows[:40], rows[40:]) for kind, rows in made.items()}
    save_scorer(folder, config, model, fitted)
    return folder


def save_images(folder, count=3):
    folder.mkdir(exist_ok=True)
    paths = [folder / f"{number}.png" for number in range(count)]
    for number, path in enumerate(paths):
        random = np.random.default_rng(number)
        small = Image.fromarray(random.integers(0, 256, (2 + number % 5, 3, 3), dtype=np.uint8))
        small.resize((96, 64), Image.Resampling.BICUBIC).save(path)
    return paths
