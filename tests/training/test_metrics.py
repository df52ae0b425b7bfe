from itertools import combinations
from math import isnan

import numpy as np
import pytest
import scipy.stats
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from orchestrator.training import correlations, within_group_srcc
from orchestrator.training.metrics import plcc, srcc

Values = NDArray[np.float64]

# Few distinct values, so that ties are common.
pairs = st.lists(st.tuples(st.integers(-8, 8), st.integers(-8, 8)), min_size=3, max_size=40)


def columns(rows: list[tuple[int, int]]) -> tuple[Values, Values]:
    x, y = np.array(rows, dtype=np.float64).T
    assume(np.ptp(x) > 0 and np.ptp(y) > 0)
    return x, y


def naive_ranks(values: Values) -> Values:
    return np.array([np.sum(values < v) + (np.sum(values == v) + 1) / 2 for v in values])


def naive_pearson(x: Values, y: Values) -> float:
    dx, dy = x - x.mean(), y - y.mean()
    return float((dx * dy).sum() / np.sqrt((dx**2).sum() * (dy**2).sum()))


def naive_tau_b(x: Values, y: Values) -> float:
    signs = [(np.sign(x[i] - x[j]), np.sign(y[i] - y[j])) for i, j in combinations(range(len(x)), 2)]
    untied_x, untied_y = sum(a != 0 for a, _ in signs), sum(b != 0 for _, b in signs)
    return float(sum(a * b for a, b in signs) / np.sqrt(untied_x * untied_y))


@pytest.mark.parametrize("rows", [50, 1024, 1025, 3000])
def test_kendalls_tau_is_scipys_to_the_last_digit(rows: int) -> None:
    rng = np.random.default_rng(rows)
    x, y = rng.normal(size=rows), rng.integers(0, 20, rows).astype(float)
    assert correlations(x, y).krcc == scipy.stats.kendalltau(x, y, method="asymptotic").statistic


@given(pairs)
def test_agrees_with_naive_loops_and_scipy(rows: list[tuple[int, int]]) -> None:
    x, y = columns(rows)
    found = correlations(x, y)
    assert found.reason is None
    assert found.srcc == pytest.approx(naive_pearson(naive_ranks(x), naive_ranks(y)), abs=1e-12)
    assert found.plcc == pytest.approx(naive_pearson(x, y), abs=1e-12)
    assert found.krcc == pytest.approx(naive_tau_b(x, y), abs=1e-12)
    assert found.rmse == pytest.approx(np.sqrt(((x - y) ** 2).mean()))
    assert found.srcc == pytest.approx(scipy.stats.spearmanr(x, y).statistic, abs=1e-12)
    assert found.plcc == pytest.approx(scipy.stats.pearsonr(x, y).statistic, abs=1e-12)
    assert found.krcc == pytest.approx(scipy.stats.kendalltau(x, y).statistic, abs=1e-12)
    assert (srcc(x, y), plcc(x, y)) == (found.srcc, found.plcc)


@given(pairs)
def test_srcc_and_krcc_ignore_a_monotone_map(rows: list[tuple[int, int]]) -> None:
    x, y = columns(rows)
    before, after = correlations(x, y), correlations(np.exp(x / 4) + x**3, y)
    assert (after.srcc, after.krcc) == (before.srcc, before.krcc)


@given(pairs, st.floats(0.01, 100), st.floats(-100, 100))
def test_plcc_ignores_an_affine_map(rows: list[tuple[int, int]], slope: float, shift: float) -> None:
    x, y = columns(rows)
    assert plcc(slope * x + shift, y) == pytest.approx(plcc(x, y), abs=1e-9)
    assert plcc(-slope * x + shift, y) == pytest.approx(-plcc(x, y), abs=1e-9)


@pytest.mark.parametrize("size", [1e-300, 1e300])
def test_extreme_magnitudes_do_not_overflow(size: float) -> None:
    x, y = np.array([1.0, 3.0, 2.0, 5.0]), np.array([1.0, 2.0, 4.0, 4.5])
    assert plcc(size * x, y) == pytest.approx(plcc(x, y))


@pytest.mark.parametrize(
    ("prediction", "truth", "reason"),
    [
        ([1.0, 1.0, 1.0], [1.0, 2.0, 3.0], "predictions are constant"),
        ([1.0, 2.0, 3.0], [2.0, 2.0, 2.0], "true scores are constant"),
        ([1.0, np.nan, 3.0], [1.0, 2.0, 3.0], "predictions are not finite"),
        ([1.0, np.inf, 3.0], [1.0, 2.0, 3.0], "predictions are not finite"),
        ([1.0, 2.0], [1.0, 2.0], "fewer than 3 rows"),
        ([], [], "fewer than 3 rows"),
    ],
)
def test_what_has_no_correlation_says_why(prediction: list[float], truth: list[float], reason: str) -> None:
    found = correlations(prediction, truth)
    assert found.reason == reason
    assert isnan(found.srcc) and isnan(found.plcc) and isnan(found.krcc)
    assert isnan(srcc(prediction, truth)) and isnan(plcc(prediction, truth))


def test_a_constant_prediction_still_has_an_error() -> None:
    assert correlations([2.0, 2.0, 2.0], [1.0, 2.0, 3.0]).rmse == pytest.approx(np.sqrt(2 / 3))


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match="must be"):
        correlations(np.zeros((3, 1)), np.zeros(3))


def test_within_group_is_a_mean_weighted_by_rows() -> None:
    generator = np.random.default_rng(0)
    groups = np.array(["a"] * 10 + ["b"] * 20 + ["c"] * 4 + ["d"] * 6)
    x, y = generator.normal(size=40), generator.normal(size=40)
    x[groups == "d"] = 1.0  # constant
    order = generator.permutation(40)
    found = within_group_srcc(x[order], y[order], groups[order])
    a, b = (scipy.stats.spearmanr(x[groups == g], y[groups == g]).statistic for g in "ab")
    assert found.srcc == pytest.approx((10 * a + 20 * b) / 30)
    assert (found.groups, found.rows) == (2, 30)


def test_within_group_sees_through_a_prediction_that_only_knows_the_group() -> None:
    groups = np.arange(60) // 20
    truth = groups + np.random.default_rng(1).normal(size=60) / 10
    noise = np.random.default_rng(2).normal(size=60) / 100
    assert srcc(groups + noise, truth) > 0.85
    assert abs(within_group_srcc(groups + noise, truth, groups).srcc) < 0.4
    assert isnan(within_group_srcc(groups, truth, groups).srcc)


def test_a_missing_group_name_is_a_group() -> None:
    groups = np.array(["a"] * 6 + [None] * 6, dtype=object)
    values = np.arange(12.0)
    assert within_group_srcc(values, values, groups).groups == 2
