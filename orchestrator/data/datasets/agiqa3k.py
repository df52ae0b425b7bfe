"""AGIQA-3K: 2982 images of 300 prompts by six generators, rated for quality and alignment.

Li et al., "AGIQA-3K: An open database for AI-generated image quality assessment", IEEE TCSVT 2023.
"""

from __future__ import annotations

from pathlib import Path

from orchestrator.core.errors import InputError
from orchestrator.data.find_images import find_images
from orchestrator.data.progress import Progress
from orchestrator.data.publisher import Source
from orchestrator.data.read_table import numbers, read_table
from orchestrator.data.registry import register_dataset
from orchestrator.data.validate import RawDataset

_COLUMNS = {
    "quality": "mos_quality",
    "quality_std": "std_quality",
    "alignment": "mos_align",
    "alignment_std": "std_align",
}
_IMAGE_FOLDERS = ("image", "images", ".")


# The publisher's own links lead to file lockers; the hub's copy holds its data.csv and images.
_SOURCE = Source("GitHub, lcysyzxdxc/AGIQA-3k-Database", "MIT", hub="strawhat/agiqa-3k")


@register_dataset("agiqa3k", source=_SOURCE)
def agiqa3k(argument: str, data_root: Path | None, progress: Progress) -> RawDataset:
    """Load `data.csv` and the images in `image/`, `images/` or the same folder; MOS from 0 to 5.

    The generator is the file name `{generator}_{setting}_{prompt id}.jpg` without the prompt's id: the settings differ
    as much as the generators do.
    """
    if data_root is None:
        raise InputError("agiqa3k needs the folder that holds its data.csv and images: --data-root DIR.")
    table = read_table(data_root / "data.csv", required=("name", "prompt", *_COLUMNS.values()))
    rows = table[["name", "prompt"]].copy()
    rows["image"] = find_images("agiqa3k", data_root, _IMAGE_FOLDERS, list(table["name"]))
    rows["generator"] = [Path(name).stem.rpartition("_")[0] or "unknown" for name in rows["name"]]
    for target, column in _COLUMNS.items():
        rows[target] = numbers(table[column])
    return RawDataset("agiqa3k", rows, ("quality", "alignment"), data_root)
