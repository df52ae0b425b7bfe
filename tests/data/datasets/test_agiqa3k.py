from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from orchestrator.core.errors import InputError
from orchestrator.data import load_dataset
from orchestrator.data.datasets.agiqa3k import agiqa3k
from orchestrator.data.progress import silent
from orchestrator.data.validate import check_dataset

NAMES = ["AttnGAN_normal_000.jpg", "DALLE2_000.jpg", "sd1.5_highcorr_000.jpg", "sd1.5_lowstep_001.jpg"]


@pytest.fixture
def root(write_images: Callable[[Sequence[str]], Path]) -> Path:
    root = write_images(NAMES)
    prompts = ["a cat", "a cat", "a cat", "a dog"]
    table = pd.DataFrame({"name": NAMES, "prompt": prompts, "adj1": ["", "", "", "red"]})
    for number, column in enumerate(("mos_quality", "std_quality", "mos_align", "std_align")):
        table[column] = [number + 0.25] * len(NAMES)
    table.to_csv(root / "data.csv", index=False)
    return root


@pytest.mark.parametrize("folder", ["image", "images", "."])
def test_images_are_found_where_the_copies_keep_them(root: Path, folder: str) -> None:
    (root / folder).mkdir(exist_ok=True)
    for name in NAMES:
        (root / name).rename(root / folder / name)
    dataset = load_dataset("agiqa3k", root)
    assert dataset.targets == ("quality", "alignment")
    assert dataset.scores().tolist() == [[0.25, 2.25]] * 4
    assert dataset.table["alignment_std"].tolist() == [3.25] * 4
    assert dataset.generators == ["AttnGAN_normal", "DALLE2", "sd1.5_highcorr", "sd1.5_lowstep"]


def test_without_its_folder_or_images_it_says_what_to_do(root: Path) -> None:
    with pytest.raises(InputError, match="--data-root DIR"):
        load_dataset("agiqa3k")
    for name in NAMES:
        (root / name).unlink()
    with pytest.raises(
        InputError, match="none of the 4 images .* AttnGAN_normal_000.jpg; looked in image/, images/, the folder itself"
    ):
        load_dataset("agiqa3k", root)
    (root / "data.csv").unlink()
    with pytest.raises(InputError, match="no file .*data.csv; the folder is empty"):
        load_dataset("agiqa3k", root)


def test_the_real_one_is_as_published(agiqa_root: Path) -> None:
    raw = agiqa3k("", agiqa_root, silent)
    assert len(raw.table) == 2982
    assert raw.table["prompt"].nunique() == 300
    assert all(Path(image).is_file() for image in raw.table["image"])
    for target in raw.targets:
        assert raw.table[target].between(0, 5).all()
    families = {generator.partition("_")[0] for generator in raw.table["generator"]}
    assert len(families) == 6
    some = replace(raw, table=raw.table[::60])  # decoding all of them takes seconds
    assert check_dataset(some).quarantined == ()
