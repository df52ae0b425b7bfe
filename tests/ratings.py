"""A data set that a real sweep learns in seconds: little images whose brightness is the score but for noise."""

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image


def make_ratings(folder: Path, prompts: int = 24, name: str = "ratings", seed: int = 0) -> Path:
    """Write 4 images of each prompt, by two generators, and their table, and return the table's path.

    Args:
        folder: for the images and `NAME.csv`; it exists.
        prompts: how many; other names have other prompts.
        name: of the table.
        seed: of images and scores.
    """
    random = np.random.default_rng(seed)
    rows = []
    for prompt in range(prompts):
        for copy in range(4):
            level = random.uniform(0, 1)
            pixels = random.normal(40 + 170 * level, 20, (40, 40, 3)).clip(0, 255).astype("uint8")
            image = f"{prompt:02d}_{copy}.png"
            Image.fromarray(pixels).save(folder / image)
            score = 1 + 4 * level + random.normal(0, 0.2)
            text = f"a scene {prompt}" if name == "ratings" else f"a scene of {name} {prompt}"
            rows.append({"image": image, "prompt": text, "alignment": score, "generator": f"g{copy % 2}"})
    pd.DataFrame(rows).to_csv(folder / f"{name}.csv", index=False)
    return folder / f"{name}.csv"
