from pathlib import Path

import pandas as pd
import pytest

from orchestrator.core.errors import InputError
from orchestrator.data import load_dataset

NAMES = ["MJ_0_00.jpg", "SD_0_01.jpg", "DALLE_1000_00.jpg", "SD_1199_11.jpg"]


@pytest.fixture
def root(tmp_path: Path, tiny_png: bytes) -> Path:
    (tmp_path / "All").mkdir()
    for name in NAMES:
        (tmp_path / "All" / name).write_bytes(tiny_png)
    table = pd.DataFrame(
        {
            "Generated_image": NAMES,
            "Image_prompt": ["0.jpg", "0.jpg", None, None],
            "Text_prompt": ["a red cat", "a red cat", "a dog", "null"],
            "MOS_q": [10.5, 20, 30, 40],
            "MOS_a": [11.5, 21, 31, 41],
            "MOS_c": [12.5, 22, 32, 42],
        }
    )
    table.to_excel(tmp_path / "annotation.xlsx", index=False)
    return tmp_path


def test_the_released_workbook_and_folder_are_read(root: Path) -> None:
    dataset = load_dataset("pku_aigiqa4k", root)
    assert dataset.targets == ("quality", "authenticity", "alignment")
    by_name = dataset.table.set_index("name")
    assert by_name.loc["MJ_0_00.jpg", list(dataset.targets)].tolist() == [10.5, 11.5, 12.5]
    assert by_name["generator"].to_dict() == {
        "MJ_0_00.jpg": "MJ_i2i",
        "SD_0_01.jpg": "SD_i2i",
        "DALLE_1000_00.jpg": "DALLE",
        "SD_1199_11.jpg": "SD",
    }
    assert by_name.loc["SD_1199_11.jpg", "prompt"] == "null"


@pytest.mark.parametrize("subset, names", [("t2i", NAMES[2:]), ("i2i", NAMES[:2])])
def test_a_subset_may_be_asked_for(root: Path, subset: str, names: list[str]) -> None:
    dataset = load_dataset(f"pku_aigiqa4k:{subset}", root)
    assert sorted(dataset.names) == sorted(names)
    assert dataset.name == f"pku_aigiqa4k:{subset}"
    assert dataset.table.set_index("name")["quality"].to_dict() == {
        name: [10.5, 20, 30, 40][NAMES.index(name)] for name in names
    }


def test_what_is_wrong_is_named(root: Path) -> None:
    with pytest.raises(InputError, match="--data-root DIR"):
        load_dataset("pku_aigiqa4k")
    with pytest.raises(InputError, match="subset of pku_aigiqa4k is t2i or i2i; 'text' was given"):
        load_dataset("pku_aigiqa4k:text", root)
    table = pd.read_excel(root / "annotation.xlsx").drop(columns="MOS_a")
    table.to_excel(root / "annotation.xlsx", index=False)
    with pytest.raises(InputError, match="annotation.xlsx lacks MOS_a; its columns are Generated_image"):
        load_dataset("pku_aigiqa4k", root)
