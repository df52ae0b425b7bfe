"""AGIQA-1K: 1080 images by two generators, rated for quality.

Zhang et al., "A perceptual quality assessment exploration for AIGC images", ICME Workshops 2023; GitHub,
lcysyzxdxc/AGIQA-1k-Database. The page names the files and the order of the columns. The headings and the folder
of the archive `file.zip` are those that published readers of the data set use.
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

_TABLES = ("AIGC_MOS_Zscore.xlsx", "AIGC_MOS_Zscore.csv")
_IMAGE_FOLDERS = ("file", "images", "image", "img", ".")
_SOURCE = Source("GitHub, lcysyzxdxc/AGIQA-1k-Database", "MIT")


@register_dataset("agiqa1k", source=_SOURCE)
def agiqa1k(argument: str, data_root: Path | None, progress: Progress) -> RawDataset:
    """Load `AIGC_MOS_Zscore.xlsx` (Image, Prompt, MOS) and the images in `file/`; MOS from 0 to 5.

    The generator is the first part of the file name `{generator}_{object}_{action}_{place}_{style}.jpg`.
    """
    if data_root is None:
        raise InputError(f"agiqa1k needs the folder that holds its {_TABLES[0]} and images: --data-root DIR.")
    path = first_file(data_root, _TABLES)
    table = read_table(path)
    rows = table[[choose_column(table, path, "Prompt")]].set_axis(["prompt"], axis="columns")
    rows["name"] = table[choose_column(table, path, "Image", "name")]
    rows["generator"] = [name.partition("_")[0] for name in rows["name"]]
    rows["quality"] = numbers(table[choose_column(table, path, "MOS", "mos_quality")])
    rows["image"] = find_images("agiqa1k", data_root, _IMAGE_FOLDERS, list(rows["name"]))
    return RawDataset("agiqa1k", rows, ("quality",), data_root)
