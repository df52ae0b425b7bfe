"""PKU-AIGIQA-4K: 4000 images made from text, or from text and an image, rated for three things.

Yuan et al., "PKU-AIGIQA-4K: A perceptual quality assessment database for both text-to-image and image-to-image
AI-generated images", 2024. GitHub, jiquan123/AIGIQA4K. Files and columns are those of its own reader.
"""

from __future__ import annotations

from pathlib import Path

from orchestrator.core.errors import InputError
from orchestrator.data.find_images import find_images
from orchestrator.data.progress import Progress
from orchestrator.data.publisher import Source
from orchestrator.data.read_table import choose_column, first_file, numbers, read_table
from orchestrator.data.registry import register_dataset
from orchestrator.data.validate import RawDataset

_TABLES = ("annotation.xlsx", "annotation.csv", "annotations.csv")
_TARGETS = {"quality": "MOS_q", "authenticity": "MOS_a", "alignment": "MOS_c"}
_IMAGE_FOLDERS = ("All", "images", "image", ".")
_SUBSETS = ("t2i", "i2i")
_SOURCE = Source("GitHub, jiquan123/AIGIQA4K", "MIT for the repository; nothing is said about the images")


@register_dataset("pku_aigiqa4k", argument="[SUBSET]", source=_SOURCE)
def pku_aigiqa4k(argument: str, data_root: Path | None, progress: Progress) -> RawDataset:
    """Load `annotation.xlsx` (Generated_image, Image_prompt, Text_prompt, MOS_q, MOS_a, MOS_c), images in `All/`.

    `pku_aigiqa4k:t2i` is the part made from text alone. `pku_aigiqa4k:i2i` is the part with an image prompt, which no
    model here reads. The generator is the first part of the file name `{generator}_{prompt}_{k}.jpg`, with `_i2i` if
    the image had an image prompt.
    """
    if data_root is None:
        raise InputError(f"pku_aigiqa4k needs the folder that holds its {_TABLES[0]} and images: --data-root DIR.")
    if argument and argument not in _SUBSETS:
        raise InputError(f"The subset of pku_aigiqa4k is {' or '.join(_SUBSETS)}; '{argument}' was given.")
    path = first_file(data_root, _TABLES)
    table = read_table(path)
    rows = table[[choose_column(table, path, "Text_prompt", "prompt")]].set_axis(["prompt"], axis="columns")
    rows["name"] = table[choose_column(table, path, "Generated_image", "name")]
    from_image = table[choose_column(table, path, "Image_prompt")].str.strip() != ""
    rows["generator"] = [
        name.partition("_")[0] + ("_i2i" if made_from_image else "")
        for name, made_from_image in zip(rows["name"], from_image, strict=True)
    ]
    for target, column in _TARGETS.items():
        rows[target] = numbers(table[choose_column(table, path, column)])
    if argument:
        rows = rows[from_image == (argument == "i2i")].reset_index(drop=True)
    rows["image"] = find_images("pku_aigiqa4k", data_root, _IMAGE_FOLDERS, list(rows["name"]))
    return RawDataset(f"pku_aigiqa4k:{argument}" if argument else "pku_aigiqa4k", rows, tuple(_TARGETS), data_root)
