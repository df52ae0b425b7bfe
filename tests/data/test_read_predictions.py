from pathlib import Path

import pandas as pd

from orchestrator.data.read_predictions import read_predictions


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
