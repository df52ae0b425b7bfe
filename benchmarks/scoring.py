"""Images a second: `score` (read, decode, resize, encode, score) next to the bare forward pass of its image encoder."""

import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
import torch
from PIL import Image

from models import build_variant
from models.encoders import build_encoder
from orchestrator.data import load_dataset, open_image
from orchestrator.data.extraction import batch_size
from orchestrator.data.parallel_map import parallel_map
from orchestrator.scoring import ModelConfig, load_scorer, save_scorer
from orchestrator.search.space import load_space

ENCODERS = {"image": "efficientnet_lite0", "prompt": "minilm", "image_prompt": "conse"}
ROUNDS = 5


def main() -> None:
    dataset = load_dataset("shapes")
    with tempfile.TemporaryDirectory() as folder:
        save(Path(folder) / "model")
        scorer = load_scorer(Path(folder) / "model")
        for name, images in (("shapes, 256 px", dataset.images[:160]), ("512 px JPEG", jpegs(Path(folder), 160))):
            measure(name, scorer, images, dataset.prompts[: len(images)])


def save(folder: Path) -> None:
    """Save an untrained text_hyper with its space's defaults; its cost is that of a trained one."""
    encoders = {kind: build_encoder(name) for kind, name in ENCODERS.items()}
    image, prompt = encoders["image"].shapes, encoders["prompt"].shapes
    arrays = {"image": image, "prompt": prompt, "image_prompt": encoders["image_prompt"].shapes_for(image, prompt)}
    shapes = {f"{kind}.{name}": shape for kind, found in arrays.items() for name, shape in found.items()}
    space = load_space("text_hyper")
    parameters = space.configuration(space.default_params()).model
    model = build_variant("text_hyper", shapes, 1, **parameters)
    identities = {kind: encoder.identity for kind, encoder in encoders.items()}
    read = {name: shapes[name] for name in model.reads}
    card = ModelConfig("text_hyper", parameters, ("alignment",), (3.0,), (1.0,), ENCODERS, identities, read)
    save_scorer(folder, card, model)


def jpegs(folder: Path, count: int) -> list[str]:
    """Write images of the size that generators draw."""
    random = np.random.default_rng(0)
    paths = []
    for number in range(count):
        small = Image.fromarray(random.integers(0, 256, (32, 32, 3), dtype=np.uint8))
        paths.append(str(folder / f"{number:03d}.jpg"))
        small.resize((512, 512), Image.Resampling.BICUBIC).save(paths[-1], quality=92)
    return paths


def measure(name: str, scorer, images: list[str], prompts: list[str]) -> None:
    encoder = build_encoder(ENCODERS["image"])
    size, rows = batch_size(encoder), range(len(images))
    pixels = torch.from_numpy(np.stack([encoder.preprocess(open_image(path)) for path in images]))
    bare, score = "bare forward, as many batches at once as threads", "score"
    work = {
        bare: lambda: list(parallel_map(lambda part: encoder.encode(pixels[part]), size, rows)),
        "bare forward, 32 at once on all threads": lambda: [encoder.encode(part) for part in pixels.split(32)],
        score: lambda: scorer(images, prompts),
    }
    seconds: dict[str, list[float]] = {title: [] for title in work}
    processor: dict[str, list[float]] = {title: [] for title in work}
    for job in work.values():
        job()  # weights are loaded
    for _ in range(ROUNDS):  # in turns, so that a busy machine is busy for all of them
        for title, job in work.items():
            began, used = time.perf_counter(), time.process_time()
            job()
            seconds[title].append(time.perf_counter() - began)
            processor[title].append(time.process_time() - used)
    print(f"{name}, {len(images)} images, {torch.get_num_threads()} threads:")
    for title in work:
        print(
            f"  {title}: {len(images) / median(seconds[title]):.1f} images/s, "
            f"{1000 * median(processor[title]) / len(images):.1f} ms of processor an image"
        )
    clock = median(one / other for one, other in zip(seconds[bare], seconds[score], strict=True))
    busy = median(one / other for one, other in zip(processor[bare], processor[score], strict=True))
    print(
        f"  score at {clock:.2f} of the bare forward by the clock, {busy:.2f} by processor time (medians of {ROUNDS})"
    )
