from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.io import savemat

from orchestrator.core.errors import InputError
from orchestrator.data import load_dataset, make_split
from orchestrator.data.datasets.aigciqa2023 import aigciqa2023
from orchestrator.data.progress import silent

Build = Callable[..., Path]


def test_the_official_folder_is_read_by_the_id_formula(official_aigciqa2023: Build) -> None:
    dataset = load_dataset("aigciqa2023", official_aigciqa2023())
    assert dataset.targets == ("quality", "authenticity", "alignment")
    assert len(dataset) == 2400 and dataset.quarantined == ()
    generators = ("Controlnet", "DALLE", "Glide", "Lafite", "stable-diffusion", "Unidiffuser")
    for row in dataset.table.itertuples():
        image = int(row.name.removesuffix(".png"))
        generator, prompt = generators.index(row.generator), int(row.prompt.removeprefix("prompt "))
        assert image - (400 * generator + 4 * prompt) in range(4)
        assert Path(row.image).name == row.name
        assert (row.quality, row.authenticity, row.alignment) == pytest.approx((image + 0.1, image + 0.2, image + 0.3))
        assert row.alignment_std == pytest.approx(image + 0.03)
    split = make_split(dataset, "slots")
    assert (len(split.train), len(split.test)) == (2200, 200)


def test_the_table_of_the_github_page_stands_for_the_data_folder(official_aigciqa2023: Build) -> None:
    root = official_aigciqa2023()
    expected = load_dataset("aigciqa2023", root).table
    table = pd.DataFrame({"name": [f"{image}.png" for image in range(2400)]})
    official = expected.set_index("name").loc[table["name"]].reset_index()
    table["prompt"] = official["prompt"]
    for target, name in (("quality",) * 2, ("authenticity",) * 2, ("alignment", "correspondence")):
        table[f"{name}_mos"], table[f"{name}_std"] = official[target], official[f"{target}_std"]
    (root / "DATA").rename(root / "elsewhere")
    table.to_csv(root / "AIGCIQA2023.csv")
    pd.testing.assert_frame_equal(load_dataset("aigciqa2023", root).table[list(expected.columns)], expected)
    table[1:].to_csv(root / "AIGCIQA2023.csv")
    with pytest.raises(InputError, match="should have 2400 rows, 0.png to 2399.png; it has 2399"):
        load_dataset("aigciqa2023", root)


def test_real_scores_prompts_and_index_agree_with_the_formula(
    official_aigciqa2023: Build, aigciqa2023_scores: Path
) -> None:
    """Puts the real scores and prompts into the official layout, and compares row by row with the official index."""
    mos = pd.read_csv(aigciqa2023_scores / "mos.csv", keep_default_na=False)
    index = pd.read_excel(aigciqa2023_scores / "pic-index.xlsx", header=None)
    root = official_aigciqa2023()
    prompts = root / "AIGCIQA2023_Prompts.xlsx"
    prompts.write_bytes((aigciqa2023_scores / prompts.name).read_bytes())
    for number, column in enumerate(("mos_quality", "mos_authenticity", "mos_correspondence"), 1):
        savemat(root / "DATA" / "MOS" / f"mosz{number}.mat", {"MOSz": mos[column].to_numpy()[:, None]})
    rows = aigciqa2023("", root, silent).table
    assert list(rows["name"]) == list(mos["file"])
    assert list(rows["generator"]) == list(mos["model"]) == list(index[0])
    places = [f"{image // 4 % 100:03d}-{image % 4 + 1}.png" for image in range(2400)]
    assert list(index[1]) == places
    words = [[prompt.replace('"', "").split() for prompt in table["prompt"]] for table in (rows, mos)]
    assert words[0] == words[1]  # mos.csv lost a closing quotation mark
    assert np.array_equal(rows["alignment"], mos["mos_correspondence"])
    scores = rows[["quality", "authenticity", "alignment"]].to_numpy()
    assert (scores.min(), scores.max()) == pytest.approx((26.6, 73.7), abs=0.1)


def _without(path: str) -> Callable[[Path], None]:
    return lambda root: (root / path).unlink()


def _with(path: str, key: str, values: np.ndarray) -> Callable[[Path], None]:
    return lambda root: savemat(root / path, {key: values})


@pytest.mark.parametrize(
    "spoil, message",
    [
        (_without("DATA/MOS/mosz2.mat"), "no file .*mosz2.mat, which should hold 'MOSz'; .* mosz1.mat, mosz3.mat"),
        (_without("DATA/STD/SD3.mat"), "no file .*SD3.mat, which should hold 'SD'"),
        (_without("AIGCIQA2023_Prompts.xlsx"), "no file .*AIGCIQA2023_Prompts.xlsx; the folder holds DATA, Image"),
        (_with("DATA/MOS/mosz1.mat", "MOS", np.zeros((2400, 1))), "mosz1.mat should hold 'MOSz', .*; it holds MOS"),
        (_with("DATA/MOS/mosz3.mat", "MOSz", np.zeros((2399, 1))), "mosz3.mat: .* 2400 numbers, .* is 2399×1"),
        (_with("DATA/STD/SD1.mat", "SD", np.zeros((600, 4))), "SD1.mat: .* 2400 numbers, .* is 600×4"),
        (
            lambda root: (root / "DATA/MOS/mosz1.mat").write_text("scores", encoding="utf-8"),
            "mosz1.mat cannot be read as a MAT file",
        ),
        (
            lambda root: (root / "AIGCIQA2023_Prompts.xlsx").write_text("prompts", encoding="utf-8"),
            "cannot be read as an .xlsx workbook",
        ),
    ],
)
def test_a_wrong_file_is_named_with_what_was_expected_and_found(
    official_aigciqa2023: Build, spoil: Callable[[Path], None], message: str
) -> None:
    root = official_aigciqa2023(images=1)
    spoil(root)
    with pytest.raises(InputError, match=message) as refused:
        load_dataset("aigciqa2023", root)
    assert "\n" not in str(refused.value)


def test_another_number_of_prompts_or_columns_is_refused(official_aigciqa2023: Build, tmp_path: Path) -> None:
    root = official_aigciqa2023(["prompt"] * 99, images=1)
    with pytest.raises(InputError, match="should have 100 prompts, one a row and no header; it has 99 rows"):
        load_dataset("aigciqa2023", root)
    pd.DataFrame({"prompt": ["prompt"] * 100}).to_excel(root / "AIGCIQA2023_Prompts.xlsx", header=False, index=False)
    with pytest.raises(InputError, match="in the third column; it has 1 columns"):
        load_dataset("aigciqa2023", root)


def test_without_images_it_says_where_it_looked(official_aigciqa2023: Build) -> None:
    with pytest.raises(InputError, match="none of the 2400 images .* such as 0.png; looked in Image/allimg/, allimg/"):
        load_dataset("aigciqa2023", official_aigciqa2023(images=0))
    with pytest.raises(InputError, match="--data-root DIR"):
        load_dataset("aigciqa2023")
