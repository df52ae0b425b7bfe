"""Ridge regression over a path of penalties, in the smaller of its two forms."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from orchestrator.training.metrics import FloatArray, srcc
from orchestrator.training.training_data import TrainingData

PENALTIES = tuple(float(penalty) for penalty in np.logspace(0, 6, 13))


def fit_ridge(
    data: TrainingData, reads: Sequence[str], rows: Tensor, others: tuple[Mapping[str, Tensor], Tensor] | None = None
) -> FloatArray:
    """Predict scores (n, T) in MOS units of `rows` (n,), each target with its own best penalty of `PENALTIES`.

    The best penalty has the highest SRCC on the validation rows; a fit without an SRCC is never chosen. With `others`,
    features of another data set and m of its rows, the result is (n + m, T), with the predictions of these rows last.

    Example:
        >>> rows, embedding = torch.arange(60), torch.randn(60, 8)
        >>> split = {"train": rows[:40], "validation": rows[40:50], "test": rows[50:]}
        >>> data = TrainingData(
        ...     {"image_prompt.embedding": embedding}, torch.rand(60, 1), ("alignment",), rows // 3, **split
        ... )
        >>> fit_ridge(data, ["image_prompt.embedding"], data.test).shape
        (10, 1)
    """
    from scipy.linalg import cho_factor, cho_solve  # here, since the import is slow

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

    # With more features than rows the weights lie in the rows' span, so the rows' products are sufficient.
    dual = train.shape[1] > len(train)
    left = train.T if dual else train
    gram, right = (left.T @ left).astype(np.float64), (targets if dual else train.T @ targets)
    project = [part @ train.T if dual else part for part in (validation, wanted)]
    for penalty in PENALTIES:
        system = gram.copy()
        system[np.diag_indices_from(system)] += penalty
        factor = cho_factor(system, lower=True, overwrite_a=True, check_finite=False)
        weights = cho_solve(factor, right, check_finite=False)
        at_validation, at_wanted = (part @ weights + centre for part in project)
        for column in range(targets.shape[1]):
            correlation = srcc(at_validation[:, column], truth[:, column])
            if correlation > best[column]:
                best[column] = correlation
                predicted[:, column] = at_wanted[:, column]
    return predicted


def _matrix(features: Mapping[str, Tensor], reads: Sequence[str], rows: Tensor) -> NDArray[np.float32]:
    """Concatenate the features of rows (n,) to (n, D); maps are averaged over space."""
    columns = []
    for name in reads:
        chosen = torch.as_tensor(features[name]).index_select(0, rows)
        columns.append(chosen.flatten(2).mean(2, dtype=torch.float32) if chosen.ndim > 2 else chosen.float())
    return torch.cat(columns, 1).numpy()
