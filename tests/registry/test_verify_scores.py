import numpy as np
import pandas as pd
import pytest

from orchestrator.registry.verify_scores import TOLERANCE, compare_scores

pytestmark = pytest.mark.integration


def table(**columns):
    return pd.DataFrame({"alignment": [1.0, 2.0, 3.0, 4.0], "predicted_alignment": [1.5, 1.25, 3.5, 3.0], **columns})


@pytest.mark.parametrize(("share", "within"), [(0.0, True), (0.9, True), (1.1, False)])
def test_compare_scores_allows_one_tolerance_of_the_training_scores(share, within):
    std = 2.0
    again = table()[["predicted_alignment"]].to_numpy().copy()
    again[2] += share * TOLERANCE * std
    found = compare_scores(table(), again, ["alignment"], [std])
    assert found.images == 4 and found.within is within
    assert found.largest["alignment"] == pytest.approx(share * TOLERANCE * std, abs=1e-6)
    assert found.mean["alignment"] == pytest.approx(found.largest["alignment"] / 4)
    assert found.recorded["alignment"]["srcc"] == pytest.approx(0.6)


def test_compare_scores_judges_each_target_by_its_own_deviation():
    recorded = table(quality=[1.0, 2.0, 3.0, 4.0], predicted_quality=[10.0, 20.0, 30.0, 40.0])
    again = recorded[["predicted_alignment", "predicted_quality"]].to_numpy() + [0.05, 0.05]
    found = compare_scores(recorded, again, ["alignment", "quality"], [1.0, 10.0])
    assert found.worst == "alignment" and not found.within
    assert found.largest["quality"] <= found.tolerance["quality"]


def test_compare_scores_of_no_images_is_not_within_the_tolerance():
    found = compare_scores(table().head(0), np.empty((0, 1)), ["alignment"], [1.0])
    assert found.images == 0 and not found.within
