from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
import pytest

from orchestrator.core.errors import InputError
from orchestrator.data import load_dataset

NAMES = ["deepai_0_0_0_0.jpg", "deepai_0_0_0_1.jpg", "dreamStudio_0_0_0_0.jpg"]


@pytest.fixture
def root(write_images: Callable[[Sequence[str]], Path]) -> Path:
    root = write_images(NAMES)
    prompts = ["bird driving aircraft, city, anime style", "bird driving aircraft, city, realistic style"] * 2
    table = pd.DataFrame({"Image": NAMES, "Prompt": prompts[:3], "MOS": [1.25, 2.5, 5.0]})
    table.to_excel(root / "AIGC_MOS_Zscore.xlsx", index=False)
    return root


@pytest.mark.parametrize("folder", ["file", "images", "."])
def test_the_released_workbook_and_folder_are_read(root: Path, folder: str) -> None:
    (root / folder).mkdir(exist_ok=True)
    for name in NAMES:
        (root / name).rename(root / folder / name)
    dataset = load_dataset("agiqa1k", root)
    assert dataset.targets == ("quality",)
    assert dataset.scores()[:, 0].tolist() == [1.25, 2.5, 5.0]
    assert dataset.generators == ["deepai", "deepai", "dreamStudio"]
    assert dataset.prompt_ids.tolist() == [0, 1, 0]


def test_a_csv_with_other_capitals_does_as_well(root: Path) -> None:
    expected = load_dataset("agiqa1k", root)
    table = pd.read_excel(root / "AIGC_MOS_Zscore.xlsx").rename(columns=str.lower)
    table.to_csv(root / "AIGC_MOS_Zscore.csv", index=False)
    (root / "AIGC_MOS_Zscore.xlsx").unlink()
    assert load_dataset("agiqa1k", root).data_hash == expected.data_hash


def test_what_is_missing_is_named(root: Path) -> None:
    with pytest.raises(InputError, match="--data-root DIR"):
        load_dataset("agiqa1k")
    pd.DataFrame({"Image": NAMES, "Score": 1}).to_excel(root / "AIGC_MOS_Zscore.xlsx", index=False)
    with pytest.raises(InputError, match="AIGC_MOS_Zscore.xlsx lacks Prompt; its columns are Image, Score"):
        load_dataset("agiqa1k", root)
    (root / "AIGC_MOS_Zscore.xlsx").unlink()
    with pytest.raises(InputError, match="no file .*AIGC_MOS_Zscore.xlsx; the folder holds deepai"):
        load_dataset("agiqa1k", root)
