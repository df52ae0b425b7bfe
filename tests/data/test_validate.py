from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from orchestrator.core.errors import InputError
from orchestrator.data import Dataset, Quarantine, load_dataset

WriteCsv = Callable[..., Path]
ROWS = 100


def _edit(path: Path, **cells: tuple[int, object]) -> None:
    """Set one cell a column."""
    table = pd.read_csv(path, dtype=str)
    for column, (row, value) in cells.items():
        table.loc[row, column] = value
    table.to_csv(path, index=False)


def test_each_unusable_row_is_excluded_with_its_reason(write_csv: WriteCsv) -> None:
    path = write_csv(ROWS)
    (path.parent / "03.png").unlink()
    (path.parent / "05.png").write_bytes((path.parent / "05.png").read_bytes()[:80])
    _edit(path, quality=(7, "inf"), prompt=(9, " "))
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    pd.concat([table, table[11:12]]).to_csv(path, index=False)
    dataset = load_dataset(f"csv:{path}")
    assert set(dataset.quarantined) >= {
        Quarantine("03.png", "missing image"),
        Quarantine("07.png", "non-finite score"),
        Quarantine("09.png", "empty prompt"),
        Quarantine("11.png", "duplicate name"),
    }
    assert len(dataset) == ROWS - 4
    assert sum(dataset.quarantine_counts().values()) == 5
    assert not {"03.png", "05.png", "07.png", "09.png"} & set(dataset.names)
    assert dataset.names.count("11.png") == 1


def test_cell_that_is_not_a_number_is_a_non_finite_score(write_csv: WriteCsv) -> None:
    path = write_csv(ROWS)
    _edit(path, quality=(0, "n/a"))
    assert load_dataset(f"csv:{path}").quarantined == (Quarantine("00.png", "non-finite score"),)


def test_more_than_five_percent_is_an_error_with_counts(write_csv: WriteCsv) -> None:
    path = write_csv(ROWS)
    for row in range(5):
        (path.parent / f"{row:02d}.png").unlink()
    assert len(load_dataset(f"csv:{path}")) == 95
    (path.parent / "05.png").unlink()
    with pytest.raises(InputError, match=r"6 of 100 rows .* 6 missing image \(00.png, .*, …\)"):
        load_dataset(f"csv:{path}")


def test_no_rows_is_an_error(write_csv: WriteCsv) -> None:
    path = write_csv(2)
    path.write_text("image,prompt,quality\n", encoding="utf-8")
    with pytest.raises(InputError):
        load_dataset(f"csv:{path}")


def _hash(path: Path) -> str:
    return load_dataset(f"csv:{path}").data_hash


def test_the_hash_knows_rows_not_their_order_nor_their_folder(write_csv: WriteCsv, tmp_path: Path) -> None:
    path = write_csv()
    before = load_dataset(f"csv:{path}")
    pd.read_csv(path)[::-1].to_csv(path, index=False)
    path.parent.rename(tmp_path / "moved")
    after = load_dataset(f"csv:{tmp_path / 'moved' / 'scores.csv'}")
    assert after.data_hash == before.data_hash
    assert after.names == before.names == sorted(before.names)


@pytest.mark.parametrize("column, value", [("prompt", "another"), ("quality", "4.9")])
def test_the_hash_changes_with_any_cell(write_csv: WriteCsv, column: str, value: str) -> None:
    path = write_csv()
    before = _hash(path)
    _edit(path, **{column: (2, value)})
    assert _hash(path) != before


def test_the_hash_changes_with_a_pixel(write_csv: WriteCsv) -> None:
    path = write_csv()
    before = _hash(path)
    with Image.open(path.parent / "02.png") as image:
        image.putpixel((0, 0), (1, 2, 3))
        image.save(path.parent / "02.png")
    assert _hash(path) != before


def test_a_dataset_knows_its_scores_and_prompts(write_csv: WriteCsv) -> None:
    prompts = ["A  cat", "a cat ", "a dog", "a dog"]
    path = write_csv(4, prompt=prompts, alignment=[1, 2, 3, 4], alignment_std=[0.5] * 4)
    dataset: Dataset = load_dataset(f"csv:{path}")
    assert dataset.targets == ("quality", "alignment")
    assert dataset.scores().shape == (4, 2)
    assert dataset.scores(["alignment"])[:, 0].tolist() == [1, 2, 3, 4]
    assert dataset.prompts == prompts  # as written, for the encoder
    assert dataset.prompt_ids.tolist() == [0, 0, 1, 1]
    assert dataset.table["alignment_std"].tolist() == [0.5] * 4
    with pytest.raises(InputError, match="no score 'beauty'; it has quality, alignment"):
        dataset.scores(["beauty"])


@pytest.mark.parametrize(
    "deviations, lacking",
    [
        ([0.5, 0.0, 1.0, 2.0], None),
        ([0.5, "", "n/a", 2.0], "2 of 4 rows whose alignment_std is not a number of 0 or above"),
        ([0.5, -0.1, 1.0, 2.0], "1 of 4 rows"),
        ([0.5, "inf", 1.0, 2.0], "1 of 4 rows"),
        (None, "no column alignment_std"),
    ],
)
def test_deviations_are_whole_or_not_there(write_csv: WriteCsv, deviations: list[object], lacking: str | None) -> None:
    columns = {} if deviations is None else {"alignment_std": deviations}
    path = write_csv(4, prompt=["a", "b", "c", "d"], alignment=[1, 2, 3, 4], **columns)
    dataset = load_dataset(f"csv:{path}")
    stds, why = dataset.stds(["alignment"]), dataset.lacking_stds(["alignment"])
    if lacking is None:
        assert why is None and stds is not None and stds[:, 0].tolist() == deviations
    else:
        assert stds is None and why is not None and lacking in why
