"""PLCC after a logistic fit, as papers on image quality report it.

Predictions can be on any monotone scale. A 4-parameter logistic curve maps them to the scale of the scores before
Pearson's correlation is computed. Source: VQEG, "Final report from the Video Quality Experts Group on the validation
of objective models of video quality assessment, phase II", 2003. The curve is fitted on the validation rows here.
A fit on the evaluated rows is common, but its four parameters make the result too high.
"""

import warnings
from dataclasses import dataclass
from math import nan

import numpy as np
from numpy.typing import ArrayLike

from orchestrator.training.metrics import FloatArray, plcc, undefined_because

_FEWEST_ROWS = 5
_EVALUATIONS = 10_000
_NARROWEST = 1e-6


@dataclass(frozen=True)
class Logistic:
    """Curve lower + (upper − lower) / (1 + exp(−(x − middle) / width)), with upper above lower and width above 0.

    Attributes:
        upper, lower: asymptotes, in the scores' units.
        middle, width: position of the midpoint and scale of the rise, in the predictions' units.

    Example:
        >>> Logistic(upper=5, lower=1, middle=0, width=1)([0.0]).tolist()
        [3.0]
    """

    upper: float
    lower: float
    middle: float
    width: float

    def __call__(self, prediction: ArrayLike) -> FloatArray:
        """Map predictions (n,) to the scale of the scores."""
        x = np.asarray(prediction, np.float64)
        return np.asarray(_curve(x, self.upper, self.lower, self.middle, self.width), np.float64)


@dataclass(frozen=True)
class LogisticFit:
    """Fitted curve, or the reason why there is none.

    Example:
        >>> LogisticFit(None, "no logistic fit: predictions are constant").curve is None
        True
    """

    curve: Logistic | None
    reason: str | None = None


@dataclass(frozen=True)
class FittedPlcc:
    """Pearson's correlation after the fit, in [-1, 1]; NaN if there is a `reason`.

    Example:
        >>> FittedPlcc(0.9).reason is None
        True
    """

    plcc: float
    reason: str | None = None


def fit_logistic(prediction: ArrayLike, truth: ArrayLike) -> LogisticFit:
    """Fit the least-squares curve from predictions (n,) to true scores (n,).

    There is no curve for fewer than 5 rows, for constant or non-finite values, and if the search does not converge.
    A curve that falls is rejected too: it would turn predictions of the wrong order into good predictions.

    Example:
        >>> fit = fit_logistic(np.linspace(-2, 2, 20), 3 + np.tanh(np.linspace(-2, 2, 20)))
        >>> fit.curve([-9, 9]).round(2).tolist()
        [2.0, 4.0]
    """
    from scipy.optimize import OptimizeWarning, curve_fit  # its import takes a third of a second

    x, y = np.asarray(prediction, np.float64), np.asarray(truth, np.float64)
    if reason := _unsuitable(x, y):
        return LogisticFit(None, f"no logistic fit: {reason}")
    # In standard deviations, so that the search does not depend on the units.
    (x_mean, x_std), (y_mean, y_std) = (x.mean(), x.std()), (y.mean(), y.std())
    x, y = (x - x_mean) / x_std, (y - y_mean) / y_std
    start = (y.max(), y.min(), 0.0, 0.25)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore", OptimizeWarning)  # about the parameters' covariance, which is not used
            parameters, _ = curve_fit(_curve, x, y, start, maxfev=_EVALUATIONS)
    except RuntimeError:
        return LogisticFit(None, "no logistic fit: the search did not converge")
    upper, lower, middle, width = (float(value) for value in parameters)
    if not np.isfinite(parameters).all():
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
    """Correlate predictions (n,), mapped to the scores' scale by `fit`, with true scores (n,).

    The rows should differ from those of the fit.

    Example:
        >>> fit = LogisticFit(Logistic(upper=5, lower=1, middle=0, width=1))
        >>> round(fitted_plcc(fit, [-1, 0, 1], fit.curve([-1, 0, 1])).plcc, 6)
        1.0
    """
    if fit.curve is None:
        return FittedPlcc(nan, fit.reason)
    mapped, true_scores = fit.curve(prediction), np.asarray(truth, np.float64)
    if reason := undefined_because(mapped, true_scores):
        return FittedPlcc(nan, f"after the logistic fit, {reason}")
    return FittedPlcc(plcc(mapped, true_scores))


def _unsuitable(x: FloatArray, y: FloatArray) -> str | None:
    if len(x) < _FEWEST_ROWS:
        return f"fewer than {_FEWEST_ROWS} validation rows"
    if reason := undefined_because(x, y):
        return reason
    with np.errstate(all="ignore"):
        measurable = all(0 < values.std() < np.inf for values in (x, y))
    return None if measurable else "predictions or true scores are too small or too large"


def _curve(x: FloatArray, upper: float, lower: float, middle: float, width: float) -> FloatArray:
    from scipy.special import expit

    slope = max(abs(width), _NARROWEST)
    return np.asarray(lower + (upper - lower) * expit((x - middle) / slope), np.float64)
