"""Ridge regression over a path of penalties, in the smaller of its two forms."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from torch import Tensor

from orchestrator.training.metrics import FloatArray, srcc
from orchestrator.training.training_data import TrainingData

PENALTIES = tuple(float(penalty) for penalty in np.logspace(0, 6, 13))


def fit_ridge(
    data: TrainingData, reads: Sequence[str], rows: Tensor, others: tuple[Mapping[str, Tensor], Tensor] | None = None
) -> FloatArray:
    """Predictions (n, T) in MOS units of `rows` (n,), each target by its own best penalty of `PENALTIES`.

    Best is the highest SRCC on the validation rows; a fit with no SRCC never wins. With `others`, features of
    another data set's rows and some m of these rows, predictions of them follow, (n + m, T).
    """
    parts = (data.train, data.validation, rows)
    train, validation, wanted = (_matrix(data.features, reads, part) for part in parts)
    if others is not None:
        wanted = np.concatenate([wanted, _matrix(others[0], reads, others[1])])
    mean, std = train.mean(0), train.std(0)
    std[std == 0] = 1
    train, validation, wanted = ((part - mean) / std for part in (train, validation, wanted))

    scores = data.scores.double().numpy()
    centre = scores[data.train.numpy()].mean(0)
    targets = scores[data.train.numpy()] - centre
    truth = scores[data.validation.numpy()]
    best = np.full(targets.shape[1], -np.inf)
    predicted = np.tile(centre, (len(wanted), 1))

    # With more features than rows the weights lie in the rows' span, so the rows' products say everything.
    dual = train.shape[1] > len(train)
    left = train.T if dual else train
    gram, seen = (left.T @ left).astype(np.float64), (targets if dual else train.T @ targets)
    project = [part @ train.T if dual else part for part in (validation, wanted)]
    for penalty in PENALTIES:
        system = gram.copy()
        system[np.diag_indices_from(system)] += penalty
        factor = cho_factor(system, lower=True, overwrite_a=True, check_finite=False)
        weights = cho_solve(factor, seen, check_finite=False)
        at_validation, at_wanted = (part @ weights + centre for part in project)
        for column in range(targets.shape[1]):
            found = srcc(at_validation[:, column], truth[:, column])
            if found > best[column]:
                best[column] = found
                predicted[:, column] = at_wanted[:, column]
    return predicted


def _matrix(features: Mapping[str, Tensor], reads: Sequence[str], rows: Tensor) -> NDArray[np.float32]:
    """The features of rows (n,) side by side (n, D); maps averaged over space."""
    columns = []
    for name in reads:
        chosen = torch.as_tensor(features[name]).index_select(0, rows)
        columns.append(chosen.flatten(2).mean(2, dtype=torch.float32) if chosen.ndim > 2 else chosen.float())
    return torch.cat(columns, 1).numpy()
