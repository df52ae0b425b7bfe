"""Images a second: the feature store (decode, resize, encode, write) next to the bare forward pass."""

import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from models.encoders import build_encoder
from orchestrator.data import FeatureStore, load_dataset, open_image


def main() -> None:
    dataset = load_dataset("shapes")
    encoder = build_encoder("efficientnet_lite0")
    pixels = torch.from_numpy(np.stack([encoder.preprocess(open_image(path)) for path in dataset.images[:96]]))
    encoder.encode(pixels[:32])
    began = time.perf_counter()
    for start in range(0, len(pixels), 32):
        encoder.encode(pixels[start : start + 32])
    bare = len(pixels) / (time.perf_counter() - began)
    with tempfile.TemporaryDirectory() as folder:
        store = FeatureStore(Path(folder))
        wanted = {"image": "efficientnet_lite0", "prompt": "minilm", "image_prompt": "conse"}
        began = time.perf_counter()
        store.get(dataset, wanted, ["image.statistics"])
        stored = len(dataset) / (time.perf_counter() - began)
        began = time.perf_counter()
        store.get(dataset, wanted, ["image.statistics"])
        again = time.perf_counter() - began
    print(f"forward pass alone: {bare:.1f} images/s; into the store: {stored:.1f} images/s ({stored / bare:.2f} of it)")
    print(f"the same features again: {1000 * again:.0f} ms")
