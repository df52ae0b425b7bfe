"""AIGIQA-20K: 20,000 images by 15 generators, each with one score of quality and alignment together.

Li et al., "AIGIQA-20K: A large database for AI-generated image quality assessment", CVPR Workshops 2024.
ModelScope, lcysyzxdxc/AIGCQA-30K-Image. The columns are those of a copy of its `info_train.csv`. The other
parts' tables and the folders are those that published readers of the data set use.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.core.errors import InputError
from orchestrator.data.find_images import find_images
from orchestrator.data.progress import Progress
from orchestrator.data.publisher import Source
from orchestrator.data.read_table import choose_column, first_file, numbers, read_table, what_is_in
from orchestrator.data.registry import register_dataset
from orchestrator.data.validate import RawDataset

if TYPE_CHECKING:
    import pandas as pd

_PARTS = ("train", "val", "test")
_WHOLE = ("info.csv", "info_merge.csv", "info_all.csv", "data.csv", "info.xlsx")
_IMAGE_FOLDERS = ("images", "image", "all", ".")
_SOURCE = Source("ModelScope, lcysyzxdxc/AIGCQA-30K-Image", "Apache-2.0")


@register_dataset("aigiqa20k", source=_SOURCE)
def aigiqa20k(argument: str, data_root: Path | None, progress: Progress) -> RawDataset:
    """Load `info_{train,val,test}.csv` or `.xlsx` (name, prompt, mos), images in `train/`, `val/`, `test/`; MOS 0 to 5.

    The parts are read as one data set, since the protocol splits it. The challenge did not publish the MOS of val and
    test. They are read from `info_merge.csv` or another table of all parts. That table also replaces
    missing tables of the parts. The generator is the file name without its number.

    Raises:
        InputError: no table, or a part without MOS.
    """
    import pandas as pd

    if data_root is None:
        raise InputError("aigiqa20k needs the folder that holds its info_train.csv and images: --data-root DIR.")
    rows = pd.concat(list(_parts(data_root)), ignore_index=True)
    rows["generator"] = [Path(name).stem.rpartition("_")[0] or "unknown" for name in rows["name"]]
    return RawDataset("aigiqa20k", rows, ("quality",), data_root)


def _parts(root: Path) -> Iterator[pd.DataFrame]:
    whole = first_file(root, _WHOLE)
    tables = [(part, first_file(root, (f"info_{part}.csv", f"info_{part}.xlsx"))) for part in _PARTS]
    found = [(part, path) for part, path in tables if path.is_file()]
    if not found and not whole.is_file():
        raise InputError(f"aigiqa20k: {root} has no info_train.csv nor {', '.join(_WHOLE)}; {what_is_in(root)}.")
    merged = _mos_by_name(whole) if whole.is_file() else {}
    for part, path in found or [("train", whole)]:
        table = read_table(path, required=("name", "prompt"))
        rows = table[["name", "prompt"]].copy()
        if "mos" in table:
            rows["quality"] = numbers(table["mos"])
        elif merged:
            rows["quality"] = [merged.get(name, float("nan")) for name in rows["name"]]
        else:
            raise InputError(
                f"{path} has no column mos: put info_merge.csv next to it, or move it away to use the rated parts only."
            )
        rows["image"] = find_images("aigiqa20k", root, (part, *_IMAGE_FOLDERS), list(rows["name"]))
        yield rows


def _mos_by_name(path: Path) -> dict[str, float]:
    table = read_table(path, required=("name",))
    return dict(zip(table["name"], numbers(table[choose_column(table, path, "mos")]), strict=True))
