from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from orchestrator.core.errors import InputError
from orchestrator.data import load_dataset

WriteCsv = Callable[..., Path]


def test_scores_are_found_by_their_cells(write_csv: WriteCsv) -> None:
    path = write_csv(
        4,
        quality=None,
        mos_quality=[1, 2, 3, 4],
        std_quality=[0.1, 0.2, 0.3, 0.4],
        beauty=[4, 3, 2, 1],
        beauty_std=[1, 1, 1, 1],
        id=[1, 2, 3, 4],
        rater_id=[7, 7, 7, 7],
        comment=["fine", "", "3", "no"],
        generator=["sd", "", "sd", "dalle"],
    )
    dataset = load_dataset(f"csv:{path}")
    assert dataset.targets == ("quality", "beauty")
    assert dataset.table["quality_std"].tolist() == [0.1, 0.2, 0.3, 0.4]
    assert dataset.table["beauty_std"].tolist() == [1, 1, 1, 1]
    assert dataset.generators == ["sd", "unknown", "sd", "dalle"]
    assert dataset.name == "csv:scores.csv"


def test_prompts_stay_as_written(write_csv: WriteCsv) -> None:
    prompts = ["null", "007", "NA", 'a, "b"', "ß é 猫", "1e3"]
    path = write_csv(6, prompt=prompts)
    assert load_dataset(f"csv:{path}").prompts == prompts


def test_a_byte_order_mark_and_blanks_in_the_header_do_no_harm(write_csv: WriteCsv) -> None:
    path = write_csv(2)
    path.write_text(
        "\ufeff" + path.read_text(encoding="utf-8").replace("image,prompt", "image , prompt"), encoding="utf-8"
    )
    assert len(load_dataset(f"csv:{path}")) == 2


def test_image_paths_are_relative_to_the_file_or_the_data_root(write_csv: WriteCsv, tmp_path: Path) -> None:
    path = write_csv(2)
    elsewhere = tmp_path / "elsewhere.csv"
    path.rename(elsewhere)
    with pytest.raises(InputError, match="2 missing image"):
        load_dataset(f"csv:{elsewhere}")
    assert len(load_dataset(f"csv:{elsewhere}", tmp_path / "data")) == 2
    elsewhere.rename(path)
    assert len(load_dataset("csv:scores.csv", tmp_path / "data")) == 2


def test_a_name_column_names_images_and_an_absolute_path_stays(write_csv: WriteCsv, tmp_path: Path) -> None:
    path = write_csv(2, image=None, name=["00.png", "01.png"])
    assert load_dataset(f"csv:{path}").names == ["00.png", "01.png"]
    path = write_csv(2, image=[str(tmp_path / "data" / "00.png"), "01.png"], name=["x", "y"])
    dataset = load_dataset(f"csv:{path}")
    assert dataset.names == ["x", "y"]
    assert dataset.images == [str(tmp_path / "data" / name) for name in ("00.png", "01.png")]


@pytest.mark.parametrize(
    "columns, message",
    [
        ({"image": None}, "lacks image; its columns are prompt, quality"),
        ({"quality": None, "note": "good"}, "has no score: .* found only image, prompt, note"),
        ({"mos_quality": 1.5}, "quality and mos_quality both hold the score 'quality'"),
    ],
)
def test_what_is_missing_is_named(write_csv: WriteCsv, columns: dict[str, object], message: str) -> None:
    path = write_csv(2, **columns)
    with pytest.raises(InputError, match=message):
        load_dataset(f"csv:{path}")


def test_a_missing_file_is_answered_with_what_is_there(write_csv: WriteCsv) -> None:
    path = write_csv(2)
    with pytest.raises(InputError, match="no file .*score.csv; the folder holds 00.png, 01.png, scores.csv"):
        load_dataset(f"csv:{path.with_name('score.csv')}")


def test_a_workbook_does_as_well(write_csv: WriteCsv) -> None:
    path = write_csv(6, prompt=["null", "007", "NA", 'a, "b"', "ß é 猫", "1e3"], beauty=[1.25, 2, 0.1, 4, 5, 6])
    table = pd.read_csv(path, dtype={"prompt": str}, keep_default_na=False)
    table.to_excel(path.with_suffix(".xlsx"), index=False)
    assert load_dataset(f"csv:{path.with_suffix('.xlsx')}").data_hash == load_dataset(f"csv:{path}").data_hash
    path.with_suffix(".xlsx").write_text("no workbook", encoding="utf-8")
    with pytest.raises(InputError, match="scores.xlsx cannot be read as an .xlsx workbook"):
        load_dataset(f"csv:{path.with_suffix('.xlsx')}")


def test_a_binary_file_is_refused(write_csv: WriteCsv) -> None:
    path = write_csv(2)
    with pytest.raises(InputError, match="cannot be read as a CSV"):
        load_dataset(f"csv:{path.parent / '00.png'}")
