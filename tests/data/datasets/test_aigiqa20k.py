from pathlib import Path

import pandas as pd
import pytest

from orchestrator.core.errors import InputError
from orchestrator.data import load_dataset

PARTS = {"train": ["DALLE2_0000.png", "SD1.4_0000.png"], "val": ["DALLE2_0001.png"], "test": ["SSD1B_1999.png"]}


@pytest.fixture
def root(tmp_path: Path, tiny_png: bytes) -> Path:
    """Three parts; only the training part has its scores, as the challenge gave them out."""
    for part, names in PARTS.items():
        (tmp_path / part).mkdir()
        for name in names:
            (tmp_path / part / name).write_bytes(tiny_png)
        table = pd.DataFrame({"name": names, "prompt": [f"prompt of {name}" for name in names]})
        if part == "train":
            table["mos"] = [3.5, 2.25]
            table.to_csv(tmp_path / "info_train.csv", index=False)
        else:
            table.to_excel(tmp_path / f"info_{part}.xlsx", index=False)
    return tmp_path


def _merge(root: Path) -> pd.DataFrame:
    names = sum(PARTS.values(), [])
    table = pd.DataFrame({"name": names, "prompt": "any", "mos": [3.5, 2.25, 4.0, 1.0]})
    table.to_csv(root / "info_merge.csv", index=False)
    return table


def test_the_parts_are_one_data_set(root: Path) -> None:
    _merge(root)
    dataset = load_dataset("aigiqa20k", root)
    assert dataset.targets == ("quality",)
    assert dict(zip(dataset.names, dataset.scores()[:, 0].tolist(), strict=True)) == {
        "DALLE2_0000.png": 3.5,
        "SD1.4_0000.png": 2.25,
        "DALLE2_0001.png": 4.0,
        "SSD1B_1999.png": 1.0,
    }
    assert sorted(dataset.generators) == ["DALLE2", "DALLE2", "SD1.4", "SSD1B"]
    assert "prompt of DALLE2_0001.png" in dataset.prompts


def test_parts_without_scores_are_refused_or_moved_away(root: Path) -> None:
    with pytest.raises(InputError, match="info_val.xlsx has no column mos: put info_merge.csv next to it, or move"):
        load_dataset("aigiqa20k", root)
    for part in ("val", "test"):
        (root / f"info_{part}.xlsx").unlink()
    assert len(load_dataset("aigiqa20k", root)) == 2


def test_one_table_and_one_folder_do_as_well(root: Path) -> None:
    _merge(root)
    (root / "all").mkdir()
    for part, names in PARTS.items():
        (root / f"info_{part}.{'csv' if part == 'train' else 'xlsx'}").unlink()
        for name in names:
            (root / part / name).rename(root / "all" / name)
    dataset = load_dataset("aigiqa20k", root)
    assert len(dataset) == 4
    assert {Path(image).parent.name for image in dataset.images} == {"all"}


def test_a_folder_without_tables_says_what_it_holds(root: Path) -> None:
    for table in root.glob("info_*"):
        table.unlink()
    with pytest.raises(InputError, match="no info_train.csv nor info.csv, .*; the folder holds test, train, val"):
        load_dataset("aigiqa20k", root)
    with pytest.raises(InputError, match="--data-root DIR"):
        load_dataset("aigiqa20k")
