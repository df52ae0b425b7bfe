"""Tables as people bring them: which are read, which are refused, and with what sentence."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from orchestrator.core.errors import InputError
from orchestrator.data import Dataset, load_dataset
from orchestrator.data.__main__ import data
from orchestrator.data.dataset import GROUPS

WriteCsv = Callable[..., Path]
ROWS = 120


def check(path: object, *options: str, code: int = 0) -> str:
    """Run `data check` and return its output, which is one sentence if the exit code is 2."""
    found = CliRunner().invoke(data, ["check", f"csv:{path}", *options], env={"COLUMNS": "200"})
    assert found.exit_code == code, found.stdout + found.stderr
    assert "Failed" not in found.stderr and (code != 2 or found.stderr.count("\n") == 1), found.stderr
    return found.stdout + found.stderr


@pytest.fixture
def table(write_csv: WriteCsv) -> Callable[..., Path]:
    """Write 120 images of 60 prompts and their table; scores vary."""

    def write(**columns: object) -> Path:
        alignment = [f"{(row * 7) % 11 - 2.406:.3f}" for row in range(ROWS)]
        generator = [f"gen{row % 2}" for row in range(ROWS)]
        return write_csv(ROWS, **{"alignment": alignment, "generator": generator, **columns})

    return write


def same_rows(one: Dataset, other: Dataset) -> bool:
    return one.data_hash == other.data_hash


def test_blank_rows_at_the_end_as_excel_leaves_them_are_passed_over(table: Callable[..., Path]) -> None:
    path = table()
    before = load_dataset(f"csv:{path}")
    path.write_text(path.read_text(encoding="utf-8") + ",,,,\n" * 12, encoding="utf-8")
    after = load_dataset(f"csv:{path}")
    assert same_rows(before, after) and after.quarantined == ()


@pytest.mark.parametrize(
    "rewrite, said",
    [
        (lambda text: text.replace(",", ";"), 'Read as: separator ";".'),
        (
            lambda text: text.replace(",", ";").replace(".", ",").replace(",png", ".png"),
            'separator ";", decimal comma.',
        ),
        (lambda text: text.encode("utf-16"), "Read as: UTF-16."),
        (lambda text: text.upper().replace(".PNG", ".png").replace("PROMPT ", "prompt ").replace("GEN", "gen", 1), ""),
        (lambda text: text.replace("image,prompt", " Image , PROMPT "), ""),
        (lambda text: text.replace("image,", "file_name,"), ""),
        (lambda text: text.replace("image,", "File Name,"), ""),
    ],
)
def test_other_ways_to_write_a_table_have_the_same_scores(
    table: Callable[..., Path], rewrite: Callable[[str], str | bytes], said: str
) -> None:
    path = table()
    before = load_dataset(f"csv:{path}")
    content = rewrite(path.read_text(encoding="utf-8"))
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    after = load_dataset(f"csv:{path}")
    assert after.targets == before.targets and (after.scores() == before.scores()).all()
    assert said in " ".join(after.notes) and (said or not after.notes)


def test_a_decimal_comma_is_read_and_said(table: Callable[..., Path]) -> None:
    path = table(quality=[f"{1 + row / 8:.3f}".replace(".", ",") for row in range(ROWS)])
    dataset = load_dataset(f"csv:{path}")
    assert dataset.scores(["quality"])[:3, 0].tolist() == [1.0, 1.125, 1.25]
    assert dataset.notes == ("Read as: decimal comma in quality.",)
    assert "decimal comma in quality" in check(path)
    assert json.loads(check(path, "--json"))["notes"] == ["Read as: decimal comma in quality."]


def test_a_header_without_rows_and_a_table_without_numbers_are_refused(table: Callable[..., Path]) -> None:
    path = table()
    path.write_text("image,prompt,quality,alignment,generator\n", encoding="utf-8")
    assert "has no rows" in check(path, code=2)
    path.write_text("image,prompt,quality\n00.png,x,good\n01.png,y,4\n02.png,z,bad\n", encoding="utf-8")
    assert "has no score" in check(path, code=2)
    assert "line 2, column quality: 'good' is not a number" in check(path, code=2)


def test_a_sparse_column_that_is_not_learned_decides_nothing(table: Callable[..., Path]) -> None:
    dense = load_dataset(f"csv:{table()}")
    path = table(rater_age=[31] * 4 + [""] * (ROWS - 4))
    dataset = load_dataset(f"csv:{path}", targets=["alignment"])
    assert len(dataset) == ROWS and dataset.targets == ("quality", "alignment") and same_rows(dataset, dense)
    assert "116 of 120 rows have no number in rater_age, first line 6." in check(path)
    check(path, "--targets", "alignment")
    assert "116 of 120 rows have no number in rater_age, first line 6." in check(path, "--targets", "Rater_Age", code=1)


def test_gaps_in_few_rows_exclude_them_as_earlier_versions_did(table: Callable[..., Path]) -> None:
    path = table(rater_age=[""] * 4 + [31] * (ROWS - 4))
    dataset = load_dataset(f"csv:{path}", targets=["alignment"])
    assert len(dataset) == ROWS - 4 and dataset.targets == ("quality", "alignment", "rater_age")


def test_a_doubled_header_is_refused_only_if_it_is_needed(table: Callable[..., Path]) -> None:
    path = table()
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("quality,alignment", "alignment, alignment"), encoding="utf-8")
    assert "the columns 3 and 4 are all called alignment" in check(path, code=2)
    path.write_text(text.replace("alignment,generator", "generator,generator"), encoding="utf-8")
    assert "the columns 4 and 5 are all called generator" in check(path, code=2)
    path = table(note=[1] * ROWS, other=list(range(ROWS)))
    path.write_text(path.read_text(encoding="utf-8").replace("note,other", "note,note"), encoding="utf-8")
    check(path, "--targets", "alignment")
    assert "the columns 6 and 7 are all called note" in check(path, "--targets", "note", code=2)


def test_generators_and_prompts_called_na_are_names(table: Callable[..., Path]) -> None:
    names = ["None", "NA", "null", "nan"]
    path = table(generator=[names[row % 4] for row in range(ROWS)], prompt=[names[row % 4] for row in range(ROWS)])
    dataset = load_dataset(f"csv:{path}")
    assert set(dataset.generators) == set(dataset.prompts) == set(names)


@pytest.mark.parametrize(
    "scores, sentence",
    [
        ([3] * ROWS, "quality is 3 in all 120 rows"),
        ([1e9 + row / 1000 for row in range(ROWS)], "quality is one value in float32, 1e+09, in all 120 rows: rescale"),
        (["inf"] * ROWS, "120 non-finite score"),
        (
            [f"{row}e39" for row in range(1, ROWS + 1)],
            "an infinite number or one beyond 1e+38 in quality, first line 2",
        ),
        ([1] + [2] * (ROWS - 1), "has the same quality, 2, in all"),
        (["one", "two"] * (ROWS // 2), "'one' is not a number"),
        ([""] * ROWS, "no cell is filled"),
    ],
)
def test_scores_that_cannot_be_learned_are_refused_before_anything_is_computed(
    table: Callable[..., Path], scores: list[object], sentence: str
) -> None:
    path = table(quality=scores)
    found = CliRunner().invoke(data, ["check", f"csv:{path}", "--targets", "quality"], env={"COLUMNS": "200"})
    assert found.exit_code in (1, 2) and sentence in found.stdout + found.stderr
    check(path, "--targets", "alignment")


@pytest.mark.parametrize(
    "scores", [["1", "2", "3", "4"], ["'1'", "2", "3", "4"], [1, 2, 3, 4], ["1.0", "2.0", "1e0", "4"]]
)
def test_four_values_and_integers_as_text_are_learned(table: Callable[..., Path], scores: list[object]) -> None:
    check(table(quality=[scores[(row * 7) % 4] for row in range(ROWS)]), "--targets", "quality")


def test_a_score_named_like_a_column_of_a_sweeps_tables_is_refused(table: Callable[..., Path]) -> None:
    path = table(part=list(range(ROWS)))
    check(path, "--targets", "alignment")
    assert "name the score with --columns SCORE=part" in check(path, "--targets", "part", code=1)
    check(path, "--targets", "share", "--columns", "share=part")


def test_few_rows_prompts_and_generators_say_what_is_needed(write_csv: WriteCsv) -> None:
    few = write_csv(5)
    assert "add prompts, or choose --protocol paper" in check(few, code=1)
    assert "too few to hold out a fifth" in check(few, "--protocol", "paper", code=1)
    assert "has 2 images in the validation part" in check(write_csv(10), "--protocol", "paper", code=1)
    one = write_csv(40, prompt=["a fox"] * 40, generator=["sd"] * 40)
    assert "has 1 prompts" in check(one, code=1)
    check(one, "--protocol", "paper")


def test_columns_can_be_named(table: Callable[..., Path]) -> None:
    path = table(scene=[row // 4 for row in range(ROWS)])
    path.write_text(
        path.read_text(encoding="utf-8").replace("image,prompt,quality", "file,Caption,MOS"), encoding="utf-8"
    )
    assert "lacks image" in check(path, code=2) and "--columns image=COLUMN" in check(path, code=2)
    columns = ["image=file", "prompt=caption", "quality=MOS", "group=scene"]
    dataset = load_dataset(f"csv:{path}", columns=columns)
    assert dataset.targets == ("quality", "alignment") and dataset.prompts[:2] == ["prompt 0", "prompt 0"]
    assert dataset.group_noun == "groups" and dataset.group_count == 30
    assert len(set(zip(dataset.prompt_ids.tolist(), dataset.table[GROUPS], strict=True))) == 30
    assert "30 groups" in check(path, "--columns", ",".join(columns))
    unnamed = load_dataset(f"csv:{table(group=list(range(ROWS)))}")
    assert unnamed.targets == ("quality", "alignment", "group") and unnamed.group_noun == "prompts"


@pytest.mark.parametrize(
    "columns, sentence",
    [
        ("image", "takes ROLE=COLUMN"),
        ("image=", "takes ROLE=COLUMN"),
        ("image=a,image=b", "names image twice"),
        ("quality=imag", "Unknown column 'imag'"),
        ("beauty=prompt", "line 2, column beauty: 'prompt 0' is not a number"),
        ("quality=alignment,beauty=alignment", "names the column alignment twice"),
    ],
)
def test_wrong_names_of_columns_are_refused(table: Callable[..., Path], columns: str, sentence: str) -> None:
    assert sentence in check(table(), "--columns", columns, code=2)


def test_a_data_set_with_columns_of_its_own_takes_no_names() -> None:
    found = CliRunner().invoke(data, ["check", "shapes", "--columns", "image=file"])
    assert found.exit_code == 2 and "shapes has its own" in found.stderr


def test_without_prompts_images_of_the_same_content_are_a_group(table: Callable[..., Path]) -> None:
    path = table(prompt=None)
    for copy in range(0, ROWS, 2):
        image = path.parent / f"{copy + 1:02d}.png"
        image.write_bytes((path.parent / f"{copy:02d}.png").read_bytes())
    dataset = load_dataset(f"csv:{path}")
    assert not dataset.has_prompts and len(dataset) == ROWS and dataset.group_count == ROWS // 2
    assert "60 groups" in check(path)
    path.write_text(
        path.read_text(encoding="utf-8").replace("image,", "image,prompt,").replace(".png,", ".png,,"), encoding="utf-8"
    )
    assert not load_dataset(f"csv:{path}").has_prompts


def test_paths_of_another_machine_are_found_and_urls_are_refused(table: Callable[..., Path]) -> None:
    path = table()
    before = load_dataset(f"csv:{path}")
    text = path.read_text(encoding="utf-8")
    path.write_text(
        "\n".join(line if line.startswith("image") else f"C:\\data\\{line}" for line in text.splitlines()),
        encoding="utf-8",
    )
    after = load_dataset(f"csv:{path}")
    assert after.images == before.images and "C:\\data\\00.png as 00.png" in after.notes[0]
    path.write_text(
        "\n".join(line if line.startswith("image") else f"https://x.org/{line}" for line in text.splitlines()),
        encoding="utf-8",
    )
    assert "120 a URL, and URLs are not fetched (https://x.org/00.png" in check(path, code=1)


def test_a_folder_of_the_hub_is_read_by_its_metadata(table: Callable[..., Path]) -> None:
    path = table()
    before = load_dataset(f"csv:{path}")
    (path.parent / "metadata.csv").write_text(
        path.read_text(encoding="utf-8").replace("image,", "file_name,"), encoding="utf-8"
    )
    assert load_dataset(f"csv:{path.parent}").images == before.images
    assert load_dataset(f"csv:{path.parent.parent}").images == before.images
    (path.parent / "metadata.csv").unlink()
    assert "has no metadata.csv" in check(path.parent, code=2)


def test_a_score_named_in_another_case_is_not_renamed_but_found(table: Callable[..., Path]) -> None:
    path = table()
    path.write_text(path.read_text(encoding="utf-8").replace("quality", "Quality"), encoding="utf-8")
    assert load_dataset(f"csv:{path}").targets == ("Quality", "alignment")
    with pytest.raises(InputError, match="no score 'beauty'; it has Quality, alignment"):
        load_dataset(f"csv:{path}", targets=["beauty"])
