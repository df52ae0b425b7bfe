import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from models.encoders import build_encoder
from orchestrator.core.errors import InputError
from orchestrator.data.extraction import decode_images, encode_images, encode_pairs
from tests.data.conftest import BesideEncoder, BrightnessEncoder, save_image


@pytest.fixture
def paths(tmp_path: Path) -> list[str]:
    for number in range(50):
        save_image(tmp_path / f"{number}.png", number)
    return [str(tmp_path / f"{number}.png") for number in range(50)]


class Watched(BrightnessEncoder):
    """Notes which threads encode, and how many threads torch has there."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, int]] = []

    def encode(self, pixels: Tensor) -> dict[str, Tensor]:
        self.seen.append((threading.current_thread().name, torch.get_num_threads()))
        return super().encode(pixels)


@pytest.mark.parametrize("start", [0, 5, 49, 50])
def test_blocks_come_in_order_from_any_row(paths: list[str], start: int) -> None:
    blocks = list(encode_images(BrightnessEncoder(), paths, start))
    means = np.concatenate([block["mean"][:, 0] for block in blocks]) if blocks else np.zeros(0)
    assert np.allclose(means, np.arange(start, 50), atol=0.2)


@pytest.mark.parametrize("start", [0, 5, 49, 50])
def test_images_stay_with_their_prompts(paths: list[str], start: int) -> None:
    prompts = ["x" * (7 * number % 50) for number in range(50)]
    blocks = list(encode_pairs(BesideEncoder(), paths, prompts, start))
    rows = np.concatenate([block["embedding"] for block in blocks]) if blocks else np.zeros((0, 2))
    assert np.allclose(rows[:, 0], np.arange(start, 50), atol=0.2)
    assert rows[:, 1].tolist() == [len(prompt) for prompt in prompts[start:]]


def test_weights_load_before_there_are_threads(paths: list[str]) -> None:
    encoder = Watched()
    before = torch.get_num_threads()
    list(encode_images(encoder, paths))
    assert encoder.seen[0][0] == threading.current_thread().name
    assert {threads for name, threads in encoder.seen[1:]} == {1}
    assert threading.current_thread().name not in {name for name, threads in encoder.seen[1:]}
    assert torch.get_num_threads() == before


def test_stopping_early_stops_the_threads(paths: list[str]) -> None:
    before = threading.active_count()
    blocks = encode_images(BrightnessEncoder(), paths)
    next(blocks)
    next(blocks)
    blocks.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before


def test_an_image_that_the_encoder_cannot_preprocess_is_named(paths: list[str]) -> None:
    class Picky(BrightnessEncoder):
        def preprocess(self, image: Image.Image) -> NDArray[np.uint8]:
            raise RuntimeError("too small")

    with pytest.raises(InputError, match=r"cannot preprocess the image .*0\.png: RuntimeError: too small\."):
        list(encode_images(Picky(), paths))


def test_pixels_and_features_are_those_of_batches_of_eight(tmp_path: Path) -> None:
    """Pixels to the bit, as Pillow makes them; features to 1e-4, since kernels depend on the batch and on threads."""
    random = np.random.default_rng(0)
    for number in range(11):
        noise = random.integers(0, 256, (9, 9, 3), dtype=np.uint8)
        Image.fromarray(noise).resize((160, 120), Image.Resampling.BICUBIC).save(tmp_path / f"{number:02d}.jpg")
    files = [str(path) for path in sorted(tmp_path.glob("*.jpg"))]
    plain = []
    for file in files:
        with Image.open(file) as opened:
            plain.append(
                np.asarray(opened.convert("RGB").resize((64, 64), Image.Resampling.BICUBIC)).transpose(2, 0, 1)
            )
    expected = torch.from_numpy(np.stack(plain))
    pixels = np.concatenate([block["pixels"] for block in decode_images(64, files)])
    assert np.array_equal(pixels, expected.numpy())
    encoder = build_encoder("efficientnet_lite0@64")
    found = list(encode_images(encoder, files))
    eights = [encoder.encode(part) for part in expected.split(8)]
    for name in encoder.shapes:
        values = torch.from_numpy(np.concatenate([block[name] for block in found]))
        torch.testing.assert_close(values, torch.cat([part[name] for part in eights]), rtol=1e-4, atol=1e-4)
