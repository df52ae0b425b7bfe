from math import isnan

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.training.logistic_fit import Logistic, LogisticFit, fit_logistic, fitted_plcc
from orchestrator.training.metrics import plcc


def made(curve: Logistic, rows: int = 400, noise: float = 0.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return predictions around the curve's middle, and the scores on the curve."""
    random = np.random.default_rng(seed)
    x = random.normal(curve.middle, 2 * curve.width, rows)
    y = curve.lower + (curve.upper - curve.lower) / (1 + np.exp(-(x - curve.middle) / curve.width))
    return x, y + random.normal(0, noise, rows)


@pytest.mark.parametrize("unit", [1e-3, 1.0, 1e4])
@pytest.mark.parametrize("curve", [Logistic(4.5, 0.5, 2.0, 0.4), Logistic(75.0, 25.0, -3.0, 1.5)])
def test_finds_the_curve_that_made_the_scores_in_any_unit(curve: Logistic, unit: float) -> None:
    curve = Logistic(curve.upper, curve.lower, unit * curve.middle, unit * curve.width)
    found = fit_logistic(*made(curve)).curve
    assert found is not None
    for name in ("upper", "lower", "middle", "width"):
        assert getattr(found, name) == pytest.approx(getattr(curve, name), rel=1e-3, abs=1e-3 * unit)
    noisy = fit_logistic(*made(curve, rows=4000, noise=0.02 * (curve.upper - curve.lower))).curve
    assert noisy is not None and noisy.middle == pytest.approx(curve.middle, abs=0.1 * curve.width)
    assert noisy.upper == pytest.approx(curve.upper, abs=0.02 * (curve.upper - curve.lower))


def test_what_is_fitted_on_some_rows_straightens_others() -> None:
    curve = Logistic(5.0, 1.0, 0.0, 0.3)
    fit = fit_logistic(*made(curve, seed=1))
    x, y = made(curve, noise=0.05, seed=2)
    found = fitted_plcc(fit, x, y)
    assert found.reason is None and fit.curve is not None
    assert found.plcc == pytest.approx(scipy.stats.pearsonr(fit.curve(x), y).statistic, abs=1e-12)
    assert found.plcc > 0.99 > 0.97 > plcc(x, y)


def test_the_rows_that_are_judged_have_no_say_in_the_fit() -> None:
    """Scores of a bent scale in the test rows: a curve fitted there would straighten them, this one does not."""
    random = np.random.default_rng(0)
    x, test = random.normal(size=200), random.normal(size=200)
    fit = fit_logistic(x, x + random.normal(0, 0.3, 200))
    bent = 1 / (1 + np.exp(-6 * test))
    assert fitted_plcc(fit_logistic(test, bent), test, bent).plcc > 0.999
    assert fitted_plcc(fit, test, bent).plcc == pytest.approx(plcc(test, bent), abs=0.05)


@settings(deadline=None, max_examples=40)
@given(st.floats(0.05, 3.0), st.floats(-50, 50), st.floats(0.001, 1000), st.integers(0, 1000))
def test_of_a_linear_relation_it_is_the_plain_correlation(noise: float, shift: float, slope: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    x, test = random.normal(size=300), random.normal(size=300)
    y, truth = (shift + slope * (part + random.normal(0, noise, 300)) for part in (x, test))
    found = fitted_plcc(fit_logistic(x, y), test, truth)
    if plcc(x, y) > 0.5:  # with less to fit, the curve may bend
        assert found.plcc == pytest.approx(plcc(test, truth), abs=0.06), found.reason
    else:
        assert isnan(found.plcc) == (found.reason is not None)


@pytest.mark.parametrize(
    ("prediction", "truth", "reason"),
    [
        ([1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0], "fewer than 5"),
        ([], [], "fewer than 5"),
        ([1.0] * 8, list(range(8)), "predictions are constant"),
        (list(range(8)), [3.0] * 8, "true scores are constant"),
        ([np.nan, *range(7)], list(range(8)), "predictions are not finite"),
        (list(range(8)), list(range(8, 0, -1)), "falls"),
        ([row * 1e-300 for row in range(8)], list(range(8)), "too small"),
        ([row * 1e200 for row in range(8)], list(range(8)), "too large"),
    ],
)
def test_a_fit_that_fails_is_nan_with_a_reason(prediction: list[float], truth: list[float], reason: str) -> None:
    fit = fit_logistic(prediction, truth)
    assert fit.curve is None and fit.reason is not None and reason in fit.reason
    found = fitted_plcc(fit, np.arange(9.0), np.arange(9.0))
    assert isnan(found.plcc) and found.reason == fit.reason


def test_reason_names_a_search_that_does_not_converge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.training.logistic_fit._EVALUATIONS", 3)
    fit = fit_logistic(*made(Logistic(5.0, 1.0, 0.0, 0.3), noise=0.3))
    assert fit.curve is None and fit.reason is not None and "did not converge" in fit.reason


def test_rows_beyond_the_end_of_the_curve_have_no_correlation() -> None:
    found = fitted_plcc(LogisticFit(Logistic(5.0, 1.0, 0.0, 1e-3)), np.linspace(10, 20, 8), np.arange(8.0))
    assert isnan(found.plcc) and found.reason == "after the logistic fit, predictions are constant"


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), max_size=30),
    st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), max_size=30),
)
def test_every_input_has_a_correlation_or_a_reason(validation: list, test: list) -> None:
    (x, y), (tx, ty) = (np.array(rows, dtype=float).reshape(-1, 2).T for rows in (validation, test))
    fit = fit_logistic(x, y)
    found = fitted_plcc(fit, tx, ty)
    if found.reason is None:
        assert fit.curve is not None and found.plcc == plcc(fit.curve(tx), ty)
    else:
        assert isnan(found.plcc)
