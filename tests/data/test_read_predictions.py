import re
from pathlib import Path

import pandas as pd

import orchestrator
from orchestrator.data.read_predictions import read_predictions


def test_no_other_module_lets_pandas_guess_what_is_missing() -> None:
    root = Path(orchestrator.__file__).parent
    bare = re.compile(r"read_csv|read_excel")
    found = {
        str(path.relative_to(root)) for path in root.rglob("*.py") if bare.search(path.read_text(encoding="utf-8"))
    }
    assert found == {"data/read_predictions.py", "data/tables/structured_files.py"}


def test_texts_called_na_stay_texts_and_numbers_are_those_of_pandas(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {
            "part": ["test"] * 4,
            "name": ["007", "null", "NA", "1e3"],
            "prompt_id": [0, 1, 2, 3],
            "prompt": ["None", "nan", "", "N/A"],
            "generator": ["None", "NA", "null", "sd"],
            "alignment": [0.1 + 0.2, float("nan"), 1e-17, 3],
            "predicted_alignment": [1.25, 2.5, 1 / 3, float("nan")],
        }
    )
    table.to_csv(tmp_path / "a.csv", index=False)
    found = read_predictions(tmp_path / "a.csv")
    for column in ("name", "prompt", "generator"):
        assert found[column].tolist() == table[column].tolist()
    before = pd.read_csv(tmp_path / "a.csv")
    pd.testing.assert_frame_equal(
        found[["prompt_id", "alignment", "predicted_alignment"]],
        before[["prompt_id", "alignment", "predicted_alignment"]],
        check_exact=True,
    )
