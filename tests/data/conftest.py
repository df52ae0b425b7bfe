"""Small made datasets, and a cache of each test's own."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from models.encoders import ComposedEncoder, Encoder, ImageEncoder, JointEncoder, PromptEncoder
from models.encoders.preprocessing import to_pixels
from orchestrator.data import Dataset
from orchestrator.data.validate import RawDataset, check_dataset

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv("HYPERASSESS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def write_images(tmp_path: Path) -> Callable[[Sequence[str]], Path]:
    """Draw a distinct small image for every name, and return the folder."""

    def write(names: Sequence[str]) -> Path:
        folder = tmp_path / "data"
        folder.mkdir(exist_ok=True)
        for number, name in enumerate(names):
            pixels = np.random.default_rng(number).integers(0, 256, (9, 12, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name)
        return folder

    return write


@pytest.fixture
def write_csv(write_images: Callable[[Sequence[str]], Path]) -> Callable[..., Path]:
    """Write images 00.png, 01.png … and a CSV about them; columns may be given, added or, by None, omitted."""

    def write(rows: int = 8, **columns: object) -> Path:
        names = [f"{row:02d}.png" for row in range(rows)]
        table = {
            "image": names,
            "prompt": [f"prompt {row // 2}" for row in range(rows)],
            "quality": [round(1 + 0.1 * row, 1) for row in range(rows)],
        } | columns
        folder = write_images(names)
        path = folder / "scores.csv"
        pd.DataFrame({name: cells for name, cells in table.items() if cells is not None}).to_csv(path, index=False)
        return path

    return write


class BrightnessEncoder(ImageEncoder):
    """An image's mean brightness; counts the images it is asked for."""

    def __init__(self, version: int = 1) -> None:
        self.name = "brightness"
        self.size = 4
        self.shapes = {"mean": (1,), "map": (3, 2, 2)}
        self.version = version
        self.encoded = 0

    @property
    def identity(self) -> str:
        return f"brightness {self.version}"

    def encode(self, pixels: Tensor) -> dict[str, Tensor]:
        self.encoded += len(pixels)
        values = pixels.float()
        return {"mean": values.mean((1, 2, 3))[:, None], "map": torch.nn.functional.avg_pool2d(values, 2)}


class LengthEncoder(PromptEncoder):
    """A prompt's length, and how many blanks are in it; counts the prompts."""

    identity = "length 1"  # type: ignore[assignment]

    def __init__(self) -> None:
        self.name = "length"
        self.shapes = {"embedding": (2,)}
        self.encoded = 0

    def encode(self, prompts: Sequence[str]) -> dict[str, Tensor]:
        self.encoded += len(prompts)
        return {"embedding": torch.tensor([[float(len(prompt)), float(prompt.count(" "))] for prompt in prompts])}


class SumEncoder(ComposedEncoder):
    """Brightness of the image and length of the prompt together; counts the rows."""

    identity = "sum 1"  # type: ignore[assignment]

    def __init__(self) -> None:
        self.name = "sum"
        self.needs = ("image.mean", "prompt.embedding")
        self.composed = 0

    def shapes_for(
        self, image: Mapping[str, tuple[int, ...]], prompt: Mapping[str, tuple[int, ...]]
    ) -> dict[str, tuple[int, ...]]:
        return {"embedding": (1,)}

    def compose(self, image: Mapping[str, Tensor], prompt: Mapping[str, Tensor]) -> dict[str, Tensor]:
        self.composed += len(image["mean"])
        return {"embedding": image["mean"] + prompt["embedding"][:, :1]}


class BesideEncoder(JointEncoder):
    """Brightness of the image and length of its prompt, each computed by itself; counts the rows."""

    def __init__(self, version: int = 1) -> None:
        self.name = "beside"
        self.shapes = {"embedding": (2,)}
        self.version = version
        self.encoded = 0

    @property
    def identity(self) -> str:
        return f"beside {self.version}"

    def preprocess(self, image: Image.Image) -> NDArray[np.uint8]:
        return to_pixels(image, 4)

    def encode(self, pixels: Tensor, prompts: Sequence[str]) -> dict[str, Tensor]:
        self.encoded += len(pixels)
        lengths = torch.tensor([float(len(prompt)) for prompt in prompts])
        return {"embedding": torch.stack([pixels.float().mean((1, 2, 3)), lengths], 1)}


class Encoders:
    """A built encoder of each kind, found by name."""

    def __init__(self) -> None:
        self.image = BrightnessEncoder()
        self.prompt = LengthEncoder()
        self.both = SumEncoder()
        self.joint = BesideEncoder()

    def build(self, name: str) -> Encoder:
        return {"brightness": self.image, "length": self.prompt, "sum": self.both, "beside": self.joint}[name]


@pytest.fixture
def encoders() -> Encoders:
    return Encoders()


def save_image(path: Path, brightness: int) -> None:
    """Save an image of one grey."""
    Image.new("RGB", (4, 4), (min(brightness, 255),) * 3).save(path)


def make_raw(folder: Path, prompts: Sequence[str]) -> RawDataset:
    """Return a raw data set in which image i has brightness i."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(len(prompts)):
        save_image(folder / f"{number:03d}.png", number)
    names = [f"{number:03d}.png" for number in range(len(prompts))]
    table = pd.DataFrame(
        {
            "name": names,
            "image": [str(folder / name) for name in names],
            "prompt": list(prompts),
            "generator": "pencil",
            "quality": np.linspace(1, 5, len(names)),
        }
    )
    return RawDataset("made", table, ("quality",), folder)


@pytest.fixture
def make_dataset(tmp_path: Path) -> Callable[[Sequence[str]], Dataset]:
    """A checked dataset of one image a prompt."""
    return lambda prompts: check_dataset(make_raw(tmp_path / "images", prompts))


@pytest.fixture(scope="session")
def agiqa_root() -> Path:
    """The real AGIQA-3K, if it lies next to the repository."""
    root = REPOSITORY.parent / "shared" / "data" / "agiqa3k"
    if not root.is_dir():
        pytest.skip(f"AGIQA-3K is not at {root}: what depends on the real data was NOT tested")
    return root
