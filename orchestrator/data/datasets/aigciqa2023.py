"""AIGCIQA2023: 2400 images, 100 prompts × 6 generators × 4, rated for quality, authenticity and correspondence.

Wang et al., "AIGCIQA2023: A large-scale image quality assessment database for AI generated images", CICAI 2023.
GitHub, wangjiarui153/AIGCIQA2023.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.core.errors import InputError, reason
from orchestrator.data.find_images import find_images
from orchestrator.data.progress import Progress
from orchestrator.data.publisher import Source
from orchestrator.data.read_table import numbers, read_table, what_is_in
from orchestrator.data.registry import register_dataset
from orchestrator.data.validate import RawDataset

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

GENERATORS = ("Controlnet", "DALLE", "Glide", "Lafite", "stable-diffusion", "Unidiffuser")
PROMPTS = 100
IMAGES_OF_A_PROMPT = 4  # by one generator
COUNT = len(GENERATORS) * PROMPTS * IMAGES_OF_A_PROMPT

_TARGETS = ("quality", "authenticity", "alignment")  # MAT files 1, 2 and 3; the paper calls the last correspondence
_TABLE_NAMES = {"alignment": "correspondence"}
_IMAGE_FOLDERS = ("Image/allimg", "allimg", "Image", "images", "image", ".")
_SOURCE = Source(
    "GitHub, wangjiarui153/AIGCIQA2023",
    "Apache-2.0",
    hub="IntMeGroup/AIGCIQA2023",
    also="Where DATA/ and AIGCIQA2023_Prompts.xlsx are missing, take AIGCIQA2023.csv from the GitHub page instead.",
)


@register_dataset("aigciqa2023", source=_SOURCE)
def aigciqa2023(argument: str, data_root: Path | None, progress: Progress) -> RawDataset:
    """Load the official folder, MOS from 26 to 74; image id = 400 · generator + 4 · prompt + k.

    The loader reads `DATA/MOS/mosz{1,2,3}.mat` (key MOSz), `DATA/STD/SD{1,2,3}.mat` (key SD), the third column of
    `AIGCIQA2023_Prompts.xlsx` and `Image/allimg/{id}.png`. If `DATA` is missing, scores and prompts come from
    `AIGCIQA2023.csv`, which the GitHub page has with the same rows.

    Raises:
        InputError: a file or key is missing or has the wrong shape; the message names both shapes.
    """
    if data_root is None:
        raise InputError("aigciqa2023 needs the folder that holds its DATA and Image: --data-root DIR.")
    rows = _from_table(data_root) if _has_only_the_table(data_root) else _from_matlab(data_root)
    rows["name"] = [f"{image}.png" for image in range(COUNT)]
    rows["generator"] = [GENERATORS[image // (PROMPTS * IMAGES_OF_A_PROMPT)] for image in range(COUNT)]
    rows["image"] = find_images("aigciqa2023", data_root, _IMAGE_FOLDERS, list(rows["name"]))
    return RawDataset("aigciqa2023", rows, _TARGETS, data_root)


def _has_only_the_table(root: Path) -> bool:
    return not (root / "DATA").is_dir() and (root / "AIGCIQA2023.csv").is_file()


def _from_matlab(root: Path) -> pd.DataFrame:
    import pandas as pd

    columns: dict[str, object] = {}
    for number, target in enumerate(_TARGETS, 1):
        columns[target] = _read_scores(root / "DATA" / "MOS" / f"mosz{number}.mat", "MOSz")
        columns[f"{target}_std"] = _read_scores(root / "DATA" / "STD" / f"SD{number}.mat", "SD")
    prompts = _read_prompts(root / "AIGCIQA2023_Prompts.xlsx")
    columns["prompt"] = [prompts[image // IMAGES_OF_A_PROMPT % PROMPTS] for image in range(COUNT)]
    return pd.DataFrame(columns)


def _read_scores(path: Path, key: str) -> NDArray[np.float64]:
    """Return one score per image, (2400,), by id."""
    import numpy as np
    from scipy.io import loadmat

    if not path.is_file():
        raise InputError(f"There is no file {path}, which should hold '{key}'; {what_is_in(path.parent)}.")
    try:
        content = loadmat(path)
    except Exception as error:  # scipy raises what its parser trips over: TypeError, IndexError, zlib.error, …
        raise InputError(f"{path} cannot be read as a MAT file: {reason(error)}.") from None
    if key not in content:
        holds = ", ".join(name for name in content if not name.startswith("__")) or "nothing"
        raise InputError(f"{path} should hold '{key}', {COUNT} scores; it holds {holds}.")
    values = np.asarray(content[key])
    if values.size != COUNT or max(values.shape) != COUNT or not np.issubdtype(values.dtype, np.number):
        found = f"{'×'.join(map(str, values.shape))} of {values.dtype}"
        raise InputError(f"{path}: '{key}' should be {COUNT} numbers, one an image; it is {found}.")
    return values.ravel().astype("float64")


def _read_prompts(path: Path) -> list[str]:
    table = read_table(path, header=False)
    if len(table.columns) < 3:
        raise InputError(f"{path} should have its prompts in the third column; it has {len(table.columns)} columns.")
    prompts = list(table["2"])
    if len(prompts) != PROMPTS:
        raise InputError(f"{path} should have {PROMPTS} prompts, one a row and no header; it has {len(prompts)} rows.")
    return prompts


def _from_table(root: Path) -> pd.DataFrame:
    path = root / "AIGCIQA2023.csv"
    columns = {target: f"{_TABLE_NAMES.get(target, target)}_mos" for target in _TARGETS}
    columns |= {f"{target}_std": f"{_TABLE_NAMES.get(target, target)}_std" for target in _TARGETS}
    table = read_table(path, required=("name", "prompt", *columns.values()))
    if list(table["name"]) != [f"{image}.png" for image in range(COUNT)]:
        raise InputError(f"{path} should have {COUNT} rows, 0.png to {COUNT - 1}.png; it has {len(table)} or others.")
    rows = table[["prompt"]].copy()
    for name, column in columns.items():
        rows[name] = numbers(table[column])
    return rows
