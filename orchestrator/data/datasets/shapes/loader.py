"""The built-in dataset: drawn scenes with known mistakes and known damage, rated by simulated people.

It needs no download and is drawn in seconds, so that everything can be tried at once. Scores depend on pixels
beyond the generator's mean: quality varies widely within each generator, and alignment depends on what the
prompt says.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.core.errors import InputError
from orchestrator.data.cache_folder import cache_dir, make_cache_dir
from orchestrator.data.progress import Progress
from orchestrator.data.registry import register_dataset
from orchestrator.data.validate import RawDataset

if TYPE_CHECKING:
    from orchestrator.data.datasets.shapes.simulate import Sample

VERSION = 1  # raise it with anything that changes a pixel or a score
DEFAULT_SEED = 0


@register_dataset("shapes", argument="[SEED]")
def shapes(argument: str, data_root: Path | None, progress: Progress) -> RawDataset:
    """Load 60 prompts × 4 generators × 2 images of 224×224, MOS from 0 to 5; drawn once per seed, then kept."""
    import pandas as pd

    from orchestrator.data.datasets.shapes.simulate import simulate

    if argument and not argument.isdecimal():
        raise InputError(f"The seed of shapes is a whole number, as in shapes:3; '{argument}' was given.")
    seed = int(argument or DEFAULT_SEED)
    samples = simulate(seed)
    folder = cache_dir() / "shapes" / f"{VERSION}-seed{seed}"
    if not all((folder / sample.name).is_file() for sample in samples):
        draw_all(samples, seed, folder, progress)
    rows = [
        {
            "name": sample.name,
            "image": str(folder / sample.name),
            "prompt": sample.prompt,
            "generator": sample.generator,
            "quality": sample.quality.mean,
            "quality_std": sample.quality.std,
            "alignment": sample.alignment.mean,
            "alignment_std": sample.alignment.std,
        }
        for sample in samples
    ]
    return RawDataset("shapes", pd.DataFrame(rows), ("quality", "alignment"), folder)


def draw_all(samples: list[Sample], seed: int, folder: Path, progress: Progress) -> None:
    """Draw every image into a folder that appears at once, complete."""
    make_cache_dir(folder.parent)
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            drawn = pool.map(lambda item: _draw(item[1], [seed, 2, item[0]], draft), enumerate(samples))
            for done, _ in enumerate(drawn, 1):
                progress(done, len(samples), "drawing shapes")
        draft.chmod(0o755)
        if folder.exists():  # incomplete: somebody deleted images from it
            shutil.rmtree(folder, ignore_errors=True)
        try:
            draft.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another process drew the same images meanwhile
                raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _draw(sample: Sample, seed: list[int], folder: Path) -> None:
    import numpy as np

    from orchestrator.data.datasets.shapes.distortions import distort
    from orchestrator.data.datasets.shapes.render import draw_scene

    rng = np.random.default_rng(seed)
    image = draw_scene(sample.drawn, rng)
    for kind, severity in sample.damage:
        image = distort(image, kind, severity, rng)
    image.save(folder / sample.name, compress_level=1)
