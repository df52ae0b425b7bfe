"""Images a second: `score` (read, decode, resize, encode, score) beside the bare forward pass of its image encoder."""

import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from models import build_variant
from models.encoders import build_encoder
from orchestrator.data import load_dataset, open_image
from orchestrator.data.extraction import batch_size
from orchestrator.data.side_by_side import side_by_side
from orchestrator.scoring import ScorerCard, load_scorer, save_scorer

ENCODERS = {"image": "efficientnet_lite0", "prompt": "minilm", "image_prompt": "conse"}
ROUNDS = 3


def main() -> None:
    dataset = load_dataset("shapes")
    with tempfile.TemporaryDirectory() as folder:
        save(Path(folder) / "model")
        scorer = load_scorer(Path(folder) / "model")
        for name, images in (("shapes, 256 px", dataset.images[:192]), ("512 px JPEG", jpegs(Path(folder), 192))):
            measure(name, scorer, images, dataset.prompts[: len(images)])


def save(folder: Path) -> None:
    """An untrained text_hyper: it costs what a trained one costs."""
    encoders = {kind: build_encoder(name) for kind, name in ENCODERS.items()}
    image, prompt = encoders["image"].shapes, encoders["prompt"].shapes
    arrays = {"image": image, "prompt": prompt, "image_prompt": encoders["image_prompt"].shapes_for(image, prompt)}
    shapes = {f"{kind}.{name}": shape for kind, found in arrays.items() for name, shape in found.items()}
    model = build_variant("text_hyper", shapes, 1)
    identities = {kind: encoder.identity for kind, encoder in encoders.items()}
    read = {name: shapes[name] for name in model.reads}
    save_scorer(
        folder, ScorerCard("text_hyper", {}, ("alignment",), (3.0,), (1.0,), dict(ENCODERS), identities, read), model
    )


def jpegs(folder: Path, count: int) -> list[str]:
    """Images of the size that generators give."""
    random = np.random.default_rng(0)
    paths = []
    for number in range(count):
        small = Image.fromarray(random.integers(0, 256, (32, 32, 3), dtype=np.uint8))
        paths.append(str(folder / f"{number:03d}.jpg"))
        small.resize((512, 512), Image.Resampling.BICUBIC).save(paths[-1], quality=92)
    return paths


def measure(name: str, scorer, images: list[str], prompts: list[str]) -> None:
    encoder = build_encoder(ENCODERS["image"])
    size = batch_size(encoder)
    pixels = torch.from_numpy(np.stack([encoder.preprocess(open_image(path)) for path in images]))
    work = {
        # As the feature store and the scorer run it, and as anybody would: the faster is the encoder's speed.
        "bare": lambda: list(side_by_side(lambda rows: encoder.encode(pixels[rows]), size, range(len(pixels)))),
        "bare, batches of 32 on all threads": lambda: [encoder.encode(part) for part in pixels.split(32)],
        "score": lambda: scorer(images, prompts),
    }
    best = dict.fromkeys(work, float("inf"))
    for job in work.values():
        job()  # weights are loaded
    for _ in range(ROUNDS):  # in turns, so that a busy machine is busy for all of them
        for title, job in work.items():
            began = time.perf_counter()
            job()
            best[title] = min(best[title], time.perf_counter() - began)
    speed = {title: len(images) / seconds for title, seconds in best.items()}
    bare = max(found for title, found in speed.items() if title != "score")
    told = ", ".join(f"{title} {found:.1f} images/s" for title, found in speed.items())
    print(
        f"{name}: {told}; score at {speed['score'] / bare:.2f} of the encoder (best of {ROUNDS}, {len(images)} images)"
    )
