import io

import pandas as pd
import pytest
from rich.console import Console

from orchestrator.registry.score_table import ranked, records, show_scores, write_scores


def scored(**changes: list[object]) -> pd.DataFrame:
    rows = {
        "image": [f"pictures/of a long walk/{name}.png" for name in ("fox", "noise", "torn")],
        "prompt": ["a red fox in snow"] * 3,
        "alignment": [3.4, -2.2, None],
        "alignment_percentile": [71.0, 0.0, None],
        "reason": [None, None, "unreadable"],
        "alignment_out_of_range": pd.array([False, True, None], "boolean"),
        "image_unlike_training": pd.array([False, True, None], "boolean"),
        "prompt_unlike_training": pd.array([False, False, None], "boolean"),
    }
    return pd.DataFrame({**rows, **changes})


def shown(table: pd.DataFrame, width: int = 80, targets: tuple[str, ...] = ("alignment",)) -> str:
    console = Console(file=io.StringIO(), width=width)
    show_scores(console, ranked(table, targets), targets)
    return console.file.getvalue()  # type: ignore[attr-defined]


@pytest.mark.parametrize("width", [80, 120])
def test_marked_rows_name_their_marks_and_one_sentence_explains_them(width):
    lines = shown(scored(), width).splitlines()
    (marked,) = [line for line in lines if "noise.png" in line]
    assert marked.rstrip().endswith("range, image") and "marks" in lines[0]
    assert not lines[1].rstrip().endswith("image") and max(map(len, lines[:3])) <= width
    sentence = "Marked scores are less reliable: 1 outside the training range, 1 with an image unlike the training's."
    assert sentence in lines


def test_table_without_marks_is_as_before():
    none = pd.array([False, False, None], "boolean")
    marks = ("alignment_out_of_range", "image_unlike_training", "prompt_unlike_training")
    unmarked = shown(scored(**dict.fromkeys(marks, none)))
    assert unmarked == shown(scored().drop(columns=list(marks))) and "arked" not in unmarked


def test_marks_of_several_targets_name_the_target():
    both = {"quality": [1.0, 9.0, None], "quality_out_of_range": pd.array([False, True, None], "boolean")}
    text = shown(scored(**both), 120, ("quality", "alignment"))
    assert "quality range, alignment range, image" in text and "1 outside the training range" in text


def test_json_and_csv_have_the_marks_after_the_other_columns(tmp_path):
    rows = records(scored())
    assert list(rows[0])[-4:] == [
        "reason",
        "alignment_out_of_range",
        "image_unlike_training",
        "prompt_unlike_training",
    ]
    assert [row["image_unlike_training"] for row in rows] == [False, True, None]
    write_scores(scored(), tmp_path / "scores.csv")
    lines = (tmp_path / "scores.csv").read_text(encoding="utf-8").splitlines()
    assert [line.split(",")[-4:] for line in lines[1:]] == [
        ["", "False", "False", "False"],
        ["", "True", "True", "False"],
        ["unreadable", "", "", ""],
    ]
