"""PLCC after a logistic fit, as papers on image quality report it.

Predictions may be on any monotone scale; a 4-parameter logistic curve brings them to that of the scores before
Pearson's correlation is taken: VQEG, "Final report from the Video Quality Experts Group on the validation of objective
models of video quality assessment, phase II", 2003. Fitted on the very rows that are judged, as is common, four
parameters flatter the figure; here the curve is fitted on the validation rows.
"""

import warnings
from dataclasses import dataclass
from math import nan

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import OptimizeWarning, curve_fit
from scipy.special import expit

from orchestrator.training.metrics import FloatArray, plcc, undefined_because

_FEWEST_ROWS = 5
_EVALUATIONS = 10_000
_NARROWEST = 1e-6


@dataclass(frozen=True)
class Logistic:
    """lower + (upper − lower) / (1 + exp(−(x − middle) / width)), with upper above lower and width above 0.

    Attributes:
        upper, lower: where it levels off, in the scores' units.
        middle, width: where it is halfway, and how gently it rises, in the predictions' units.
    """

    upper: float
    lower: float
    middle: float
    width: float

    def __call__(self, prediction: ArrayLike) -> FloatArray:
        """Predictions (n,) on the scale of the scores."""
        x = np.asarray(prediction, np.float64)
        return np.asarray(_curve(x, self.upper, self.lower, self.middle, self.width), np.float64)


@dataclass(frozen=True)
class LogisticFit:
    """A fitted curve, or why there is none."""

    curve: Logistic | None
    reason: str | None = None


@dataclass(frozen=True)
class FittedPlcc:
    """Pearson's correlation after the fit, in [-1, 1]; NaN where `reason` says why."""

    plcc: float
    reason: str | None = None


def fit_logistic(prediction: ArrayLike, truth: ArrayLike) -> LogisticFit:
    """The least-squares curve from predictions (n,) to true scores (n,).

    There is none for fewer than 5 rows, constant or non-finite values, where the search does not end, and where the
    best curve falls: that would turn predictions of the wrong order into good ones.
    """
    x, y = np.asarray(prediction, np.float64), np.asarray(truth, np.float64)
    if reason := _unfit(x, y):
        return LogisticFit(None, f"no logistic fit: {reason}")
    # In standard deviations, so that the search is the same in every unit.
    (x_mean, x_std), (y_mean, y_std) = (x.mean(), x.std()), (y.mean(), y.std())
    x, y = (x - x_mean) / x_std, (y - y_mean) / y_std
    start = (y.max(), y.min(), 0.0, 0.25)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore", OptimizeWarning)  # of the parameters' covariance, which nobody reads
            found, _ = curve_fit(_curve, x, y, start, maxfev=_EVALUATIONS)
    except RuntimeError:
        return LogisticFit(None, "no logistic fit: the search did not converge")
    upper, lower, middle, width = (float(value) for value in found)
    if not np.isfinite(found).all():
        return LogisticFit(None, "no logistic fit: the search did not converge")
    if upper <= lower:
        return LogisticFit(None, "no logistic fit: the curve falls as the predictions rise")
    curve = Logistic(
        upper=upper * y_std + y_mean,
        lower=lower * y_std + y_mean,
        middle=middle * x_std + x_mean,
        width=max(abs(width), _NARROWEST) * x_std,
    )
    return LogisticFit(curve)


def fitted_plcc(fit: LogisticFit, prediction: ArrayLike, truth: ArrayLike) -> FittedPlcc:
    """Correlation of predictions (n,), brought to the scores' scale by `fit`, with true scores (n,).

    The rows should be others than those of the fit.
    """
    if fit.curve is None:
        return FittedPlcc(nan, fit.reason)
    mapped, true_scores = fit.curve(prediction), np.asarray(truth, np.float64)
    if reason := undefined_because(mapped, true_scores):
        return FittedPlcc(nan, f"after the logistic fit, {reason}")
    return FittedPlcc(plcc(mapped, true_scores))


def _unfit(x: FloatArray, y: FloatArray) -> str | None:
    if len(x) < _FEWEST_ROWS:
        return f"fewer than {_FEWEST_ROWS} validation rows"
    if reason := undefined_because(x, y):
        return reason
    with np.errstate(all="ignore"):
        measurable = all(0 < values.std() < np.inf for values in (x, y))
    return None if measurable else "predictions or true scores are too small or too large"


def _curve(x: FloatArray, upper: float, lower: float, middle: float, width: float) -> FloatArray:
    slope = max(abs(width), _NARROWEST)
    return np.asarray(lower + (upper - lower) * expit((x - middle) / slope), np.float64)
