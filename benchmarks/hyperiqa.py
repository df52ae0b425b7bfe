"""Images a second: `score` with a fine-tuned resnet50 next to hyperIQA of pyiqa, same crops and images, random weights.

Both have hyperIQA's sizes, crops of 224 pixels, and all of torch's threads. The images are those of AGIQA-3K if they
are in `../shared/data`, else JPEG files of 512 pixels.
"""

import os
import tempfile
import time
from pathlib import Path
from statistics import median

import torch

from benchmarks.peers import Peer, PeerMissing
from benchmarks.scoring import jpegs
from models import build_variant
from models.encoders import build_encoder
from models.finetuned_model import Finetuning, finetuned
from orchestrator.scoring import ModelConfig, Scorer

REQUIREMENTS = ("pyiqa==0.1.16",)
ROUNDS, IMAGES = 5, 32
AGIQA3K = Path(__file__).parents[2] / "shared" / "data" / "agiqa3k" / "images"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        make_weights(Path(folder))
        for crops in (1, 5):
            measure(crops, test_images(Path(folder)))


def make_weights(folder: Path) -> None:
    """Save a resnet50 with random weights where the encoder looks for them."""
    from torchvision.models import resnet50

    torch.save(resnet50(weights=None).state_dict(), folder / "resnet50.pth")
    os.environ["HYPERASSESS_WEIGHTS"] = str(folder)


def test_images(folder: Path) -> list[str]:
    """Return paths of images from all generators."""
    found = sorted(AGIQA3K.glob("*.jpg"))
    return [str(path) for path in found[:: len(found) // IMAGES][:IMAGES]] if found else jpegs(folder, IMAGES)


def make_scorer(crops: int) -> Scorer:
    """Return an untrained image_hyper with a fine-tuned resnet50 and hyperIQA's sizes, which are its defaults."""
    encoder = build_encoder("resnet50")
    shapes = {f"image.{name}": shape for name, shape in encoder.shapes.items()}
    settings = Finetuning(test_crops=crops)
    model = finetuned(encoder, build_variant("image_hyper", shapes), settings)
    identities = {"image": encoder.identity}
    backbone = {"frozen_parts": 0, "test_crops": crops, "flips": True}
    config = ModelConfig(
        "image_hyper", {}, ("quality",), (3.0,), (1.0,), {"image": "resnet50"}, identities, shapes, backbone
    )
    return Scorer(config, model)


def measure(crops: int, images: list[str]) -> None:
    scorer = make_scorer(crops)
    try:
        peer = Peer("pyiqa", REQUIREMENTS, Path(__file__).with_name("pyiqa_script.py"), [str(crops), *images])
    except PeerMissing as missing:
        print(f"pyiqa is not measured: {missing}")
        return
    scorer(images[:8], "a red fox")
    own: list[float] = []
    theirs: list[float] = []
    for _ in range(ROUNDS):  # in turns, so that a busy machine is busy for both
        began = time.perf_counter()
        scorer(images, "a red fox")
        own.append(time.perf_counter() - began)
        theirs.append(float(peer.work()))
    peer.close()
    ratio = median(other / one for one, other in zip(own, theirs, strict=True))
    rates = f"score {len(images) / median(own):.1f} images/s, pyiqa {len(images) / median(theirs):.1f} images/s"
    where = f"{crops} crops, {len(images)} images, {torch.get_num_threads()} threads"
    print(f"{where}: {rates}, {ratio:.2f} times as fast (median of {ROUNDS})", flush=True)
