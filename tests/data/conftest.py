"""Small made datasets, and a cache of each test's own."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from orchestrator.data import Dataset, load_dataset

REPOSITORY = Path(__file__).parents[2]
MakeDataset = Callable[..., Dataset]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv("HYPERASSESS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def write_images(tmp_path: Path) -> Callable[[Sequence[str]], Path]:
    """Draws a small image of its own for every name, and says in which folder."""

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
    """Writes images 00.png, 01.png … and a CSV about them; columns may be given, added or, by None, left out."""

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


@pytest.fixture
def make_dataset(write_csv: Callable[..., Path]) -> MakeDataset:
    """A checked dataset of small images."""
    return lambda rows=8, **columns: load_dataset(f"csv:{write_csv(rows, **columns)}")


@pytest.fixture(scope="session")
def agiqa_root() -> Path:
    """The real AGIQA-3K, where it lies beside the repository."""
    root = REPOSITORY.parent / "shared" / "data" / "agiqa3k"
    if not root.is_dir():
        pytest.skip(f"AGIQA-3K is not at {root}: what depends on the real data was NOT tested")
    return root
