"""AGIQA-3K: 2982 images of 300 prompts by six generators, rated for quality and alignment.

Li et al., "AGIQA-3K: An open database for AI-generated image quality assessment", IEEE TCSVT 2023.
"""

from __future__ import annotations

from pathlib import Path

from orchestrator.data.checks import RawDataset
from orchestrator.data.progress import Progress
from orchestrator.data.registry import register_dataset
from orchestrator.data.tables import numbers, read_table
from orchestrator.errors import InputError

_COLUMNS = {
    "quality": "mos_quality",
    "quality_std": "std_quality",
    "alignment": "mos_align",
    "alignment_std": "std_align",
}
_IMAGE_FOLDERS = ("image", "images", ".")


@register_dataset("agiqa3k")
def agiqa3k(argument: str, data_root: Path | None, progress: Progress) -> RawDataset:
    """`data.csv`, with the images in `image/` or `images/` or beside it; MOS from 0 to 5.

    An image's generator is its file name `{generator}_{setting}_{prompt id}.jpg` less the prompt's id,
    since the settings differ as much as the generators do.
    """
    if data_root is None:
        raise InputError("agiqa3k needs the folder that holds its data.csv and images: --data-root DIR.")
    table = read_table(data_root / "data.csv", required=("name", "prompt", *_COLUMNS.values()))
    folder = _image_folder(data_root, list(table["name"]))
    rows = table[["name", "prompt"]].copy()
    rows["image"] = [str((folder / name).absolute()) for name in rows["name"]]
    rows["generator"] = [Path(name).stem.rpartition("_")[0] or "unknown" for name in rows["name"]]
    for target, column in _COLUMNS.items():
        rows[target] = numbers(table[column])
    return RawDataset("agiqa3k", rows, ("quality", "alignment"), data_root)


def _image_folder(data_root: Path, names: list[str]) -> Path:
    candidates = [data_root / folder for folder in _IMAGE_FOLDERS]
    found = {folder: sum((folder / name).is_file() for name in names) for folder in candidates}
    best = max(candidates, key=lambda folder: found[folder])
    if found[best] == 0:
        raise InputError(
            f"agiqa3k: none of the {len(names)} images that {data_root / 'data.csv'} names is beside it, "
            "nor in the folder image or images there."
        )
    return best
