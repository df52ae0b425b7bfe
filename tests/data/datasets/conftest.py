"""Small made copies of published data sets."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.io import savemat

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def tiny_png(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("png") / "tiny.png"
    Image.new("RGB", (1, 1)).save(path)
    return path.read_bytes()


@pytest.fixture
def official_aigciqa2023(tmp_path: Path, tiny_png: bytes) -> Callable[..., Path]:
    """AIGCIQA2023's official folder: the scores are the id, and 0.1, 0.2, … more for each further file."""

    def build(prompts: list[str] | None = None, images: int = 2400) -> Path:
        root = tmp_path / "aigciqa2023"
        for folder in ("Image/allimg", "DATA/MOS", "DATA/STD"):
            (root / folder).mkdir(parents=True)
        for image in range(images):
            (root / "Image" / "allimg" / f"{image}.png").write_bytes(tiny_png)
        ids = np.arange(2400, dtype=float)[:, None]
        for number in (1, 2, 3):
            savemat(root / "DATA" / "MOS" / f"mosz{number}.mat", {"MOSz": ids + number / 10})
            savemat(root / "DATA" / "STD" / f"SD{number}.mat", {"SD": ids + number / 100})
        texts = prompts if prompts is not None else [f"prompt {prompt}" for prompt in range(100)]
        sheet = pd.DataFrame({"challenge": "Basic", "category": "Animals", "prompt": texts})
        sheet.to_excel(root / "AIGCIQA2023_Prompts.xlsx", header=False, index=False)
        return root

    return build


@pytest.fixture(scope="session")
def aigciqa2023_scores() -> Path:
    """The real AIGCIQA2023's scores, prompts and index, if they lie next to the repository."""
    root = REPOSITORY.parent / "shared" / "data" / "aigciqa2023"
    if not root.is_dir():
        pytest.skip(f"AIGCIQA2023 is not at {root}: what depends on its real scores was NOT tested")
    return root
