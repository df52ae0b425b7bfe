import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.scoring.percentiles import from_tag, percentiles, quantiles_of

scores = st.lists(st.floats(1, 5, width=32), min_size=1, max_size=60)


@given(scores, scores)
def test_a_higher_score_never_has_a_lower_percentile(training, queried):
    (known,) = quantiles_of(np.array(training)[:, None], ["quality"]).values()
    found = percentiles(np.sort(np.array(queried, np.float32)), known)
    assert (np.diff(found) >= 0).all() and ((found >= 0) & (found <= 100)).all()


def test_percentile_is_the_share_of_training_scores_below():
    training = np.random.default_rng(0).normal(3, 1, 5000)
    known = quantiles_of(training[:, None], ["quality"])["quality"]
    for score in (1.5, 3.0, 4.2):
        below = 100 * (training < score).mean()
        assert percentiles(np.array([score], np.float32), known)[0] == pytest.approx(below, abs=1)


def test_the_middle_of_a_run_of_equal_scores_the_ends_beyond_and_nan_for_none():
    known = quantiles_of(np.array([[1.0], [3], [3], [3], [5]]), ["quality"])["quality"]
    found = percentiles(np.array([0, 3, 9, np.nan], np.float32), known)
    assert found[:3] == pytest.approx([0, 50, 100], abs=0.5) and np.isnan(found[3])


def test_invalid_tags_are_excluded():
    tag = {"good": [1, 2, 3], "falling": [3, 2, 1], "nan": [1, float("nan"), 3], "one": [1], "number": 5, "text": "123"}
    assert from_tag(tag) == {"good": (1.0, 2.0, 3.0)}
