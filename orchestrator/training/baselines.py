"""Baselines of a model: ridge regression on its features, and predictors that see no pixel."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from orchestrator.training.metrics import FloatArray
from orchestrator.training.ridge import fit_ridge
from orchestrator.training.training_data import TrainingData

Codes = NDArray[np.intp]

# Effects of generators and prompts are fitted alternately, by means, until they converge to least squares.
_ITERATIONS = 50


@dataclass(frozen=True)
class Baseline:
    """Predictions of one baseline for one target.

    Attributes:
        name: `ridge`, `generator_mean`, `prompt_mean` or `generator_prompt_mean`.
        predictions: (n,) float64 in MOS units; None if the baseline cannot predict these rows.
        reason: reason why there are no predictions; else None.

    Example:
        >>> Baseline("prompt_mean", None, "no prompt of these images was seen in training").predictions is None
        True
    """

    name: str
    predictions: FloatArray | None
    reason: str | None = None


@dataclass(frozen=True)
class OtherRows:
    """Rows of another data set, with prompts unseen in training, to predict in addition to a split's own rows.

    Attributes:
        features: name → (K, \\*shape), of all K rows of that data set.
        rows: rows to predict, (m,) int64.
        generators: generator of each of the m images.

    Example:
        >>> import torch
        >>> others = OtherRows({"image_prompt.embedding": torch.zeros(9, 8)}, torch.tensor([0, 4]), ["a", "b"])
        >>> len(others.rows)
        2
    """

    features: Mapping[str, Tensor]
    rows: Tensor
    generators: Sequence[object]


def all_baselines(
    data: TrainingData,
    reads: Sequence[str],
    generators: Sequence[object],
    rows: Tensor,
    others: OtherRows | None = None,
) -> dict[str, dict[str, Baseline]]:
    """Fit all baselines on the training rows and predict `rows` and, after them, `others`.

    Args:
        data: the split; ridge chooses its penalty on the validation rows, the other baselines ignore them.
        reads: names of the features for ridge.
        generators: generator of each of the N images; all equal, or empty, if unknown.
        rows: rows to predict, (n,) int64.
        others: rows of another data set to predict as well.

    Returns:
        Name → target → baseline.

    Example:
        >>> import torch
        >>> rows, embedding = torch.arange(60), torch.randn(60, 8)
        >>> split = {"train": rows[:40], "validation": rows[40:50], "test": rows[50:]}
        >>> data = TrainingData(
        ...     {"image_prompt.embedding": embedding}, torch.rand(60, 1), ("alignment",), rows // 3, **split
        ... )
        >>> baselines = all_baselines(data, ["image_prompt.embedding"], ["sd", "dalle"] * 30, data.test)
        >>> list(baselines)
        ['ridge', 'generator_mean', 'prompt_mean', 'generator_prompt_mean']
        >>> baselines["ridge"]["alignment"].predictions.shape
        (10,)
    """
    baselines = [
        ridge(data, reads, rows, others),
        generator_mean(data, generators, rows, others),
        prompt_mean(data, rows, others),
        generator_prompt_mean(data, generators, rows, others),
    ]
    return {next(iter(by_target.values())).name: by_target for by_target in baselines}


def ridge(
    data: TrainingData, reads: Sequence[str], rows: Tensor, others: OtherRows | None = None
) -> dict[str, Baseline]:
    """Predict by ridge regression on standardised features; maps are averaged over space.

    The penalty with the best validation SRCC is chosen, and the fit uses the training rows alone, as a model does.

    Example:
        >>> import torch
        >>> rows, embedding = torch.arange(60), torch.randn(60, 8)
        >>> split = {"train": rows[:40], "validation": rows[40:50], "test": rows[50:]}
        >>> data = TrainingData(
        ...     {"image_prompt.embedding": embedding}, torch.rand(60, 1), ("alignment",), rows // 3, **split
        ... )
        >>> ridge(data, ["image_prompt.embedding"], data.test)["alignment"].predictions.shape
        (10,)
    """
    predictions = fit_ridge(data, reads, rows, (others.features, others.rows) if others else None)
    return {target: Baseline("ridge", predictions[:, column]) for column, target in enumerate(data.targets)}


def generator_mean(
    data: TrainingData, generators: Sequence[object], rows: Tensor, others: OtherRows | None = None
) -> dict[str, Baseline]:
    """Predict the mean training score of the image's generator, or of all images for an unseen generator.

    Example:
        >>> import torch
        >>> rows, embedding = torch.arange(60), torch.randn(60, 8)
        >>> split = {"train": rows[:40], "validation": rows[40:50], "test": rows[50:]}
        >>> data = TrainingData(
        ...     {"image_prompt.embedding": embedding}, torch.rand(60, 1), ("alignment",), rows // 3, **split
        ... )
        >>> generator_mean(data, ["sd"] * 60, data.test)["alignment"].reason
        'the images have no generators that differ'
        >>> generator_mean(data, ["sd", "dalle"] * 30, data.test)["alignment"].predictions.shape
        (10,)
    """
    codes, wanted = _generator_codes(data, generators, others), _wanted_rows(data, rows, others)
    return _for_each_target(
        "generator_mean",
        data,
        "the images have no generators that differ" if np.ptp(codes[: len(data.scores)]) == 0 else None,
        lambda scores: _means(scores, codes, data.train)[codes[wanted]],
    )


def prompt_mean(data: TrainingData, rows: Tensor, others: OtherRows | None = None) -> dict[str, Baseline]:
    """Predict the mean training score of the image's prompt, or of all images for an unseen prompt.

    Example:
        >>> import torch
        >>> rows, embedding = torch.arange(60), torch.randn(60, 8)
        >>> split = {"train": rows[:40], "validation": rows[40:50], "test": rows[50:]}
        >>> data = TrainingData(
        ...     {"image_prompt.embedding": embedding}, torch.rand(60, 1), ("alignment",), rows // 3, **split
        ... )
        >>> prompt_mean(data, data.test)["alignment"].reason
        'no prompt of these images was seen in training'
        >>> prompt_mean(data, data.train)["alignment"].predictions.shape
        (40,)
    """
    prompts, wanted = _prompt_codes(data, others), _wanted_rows(data, rows, others)
    return _for_each_target(
        "prompt_mean",
        data,
        _why_unseen(prompts, data.train, wanted),
        lambda scores: _means(scores, prompts, data.train)[prompts[wanted]],
    )


def generator_prompt_mean(
    data: TrainingData, generators: Sequence[object], rows: Tensor, others: OtherRows | None = None
) -> dict[str, Baseline]:
    """Predict an effect of the generator plus an effect of the prompt, by least squares; unseen ones have effect 0.

    Example:
        >>> import torch
        >>> rows, embedding = torch.arange(60), torch.randn(60, 8)
        >>> split = {"train": rows[:40], "validation": rows[40:50], "test": rows[50:]}
        >>> data = TrainingData(
        ...     {"image_prompt.embedding": embedding}, torch.rand(60, 1), ("alignment",), rows // 3, **split
        ... )
        >>> generator_prompt_mean(data, ["sd", "dalle"] * 30, data.train)["alignment"].predictions.shape
        (40,)
    """
    codes, prompts = _generator_codes(data, generators, others), _prompt_codes(data, others)
    wanted, own = _wanted_rows(data, rows, others), slice(len(data.scores))

    def predict(scores: FloatArray) -> FloatArray:
        mean = scores[data.train.numpy()].mean()
        by_prompt = np.zeros(prompts.max() + 1)
        by_generator = np.zeros(codes.max() + 1)
        for _ in range(_ITERATIONS):
            by_generator = _means(scores - mean - by_prompt[prompts[own]], codes, data.train, unseen=0.0)
            by_prompt = _means(scores - mean - by_generator[codes[own]], prompts, data.train, unseen=0.0)
        return np.asarray(mean + by_generator[codes[wanted]] + by_prompt[prompts[wanted]])

    return _for_each_target("generator_prompt_mean", data, _why_unseen(prompts, data.train, wanted), predict)


def _for_each_target(
    name: str, data: TrainingData, reason: str | None, predict: Callable[[FloatArray], FloatArray]
) -> dict[str, Baseline]:
    baselines: Mapping[str, Baseline] = {
        target: Baseline(name, None, reason)
        if reason
        else Baseline(name, predict(data.scores[:, column].double().numpy()))
        for column, target in enumerate(data.targets)
    }
    return dict(baselines)


def _wanted_rows(data: TrainingData, rows: Tensor, others: OtherRows | None) -> NDArray[np.int64]:
    """Return `rows`, followed by the other data set's rows, numbered from N."""
    if others is None:
        return np.asarray(rows.numpy())
    return np.concatenate([rows.numpy(), len(data.scores) + np.arange(len(others.rows))])


def _generator_codes(data: TrainingData, generators: Sequence[object], others: OtherRows | None) -> Codes:
    more = list(others.generators) if others else []
    return _codes([*generators, *more] if len(generators) else (), len(data.scores) + len(more))


def _prompt_codes(data: TrainingData, others: OtherRows | None) -> Codes:
    """Return a code for each row's prompt; all rows of `others` have one additional code, unseen in training."""
    codes = _codes(data.prompt_ids.numpy(), len(data.scores))
    return np.append(codes, np.full(len(others.rows), codes.max() + 1)) if others else codes


def _why_unseen(prompts: Codes, train: Tensor, wanted: NDArray[np.int64]) -> str | None:
    if np.isin(prompts[wanted], prompts[train.numpy()]).any():
        return None
    return "no prompt of these images was seen in training"


def _codes(values: Sequence[object] | NDArray[np.int64], rows: int) -> Codes:
    """Return codes 0, 1, … of the distinct values; all 0 if `values` is empty."""
    if not len(values):
        return np.zeros(rows, dtype=np.intp)
    keys = values if isinstance(values, np.ndarray) else np.array([str(value) for value in values])
    return np.asarray(np.unique(keys, return_inverse=True)[1])


def _means(scores: FloatArray, codes: Codes, train: Tensor, unseen: float | None = None) -> FloatArray:
    """Return the mean training score of every code; `unseen`, or the overall mean, for codes without training rows."""
    rows = train.numpy()
    counts = np.bincount(codes[rows], minlength=codes.max() + 1)
    sums = np.bincount(codes[rows], weights=scores[rows], minlength=codes.max() + 1)
    fallback = scores[rows].mean() if unseen is None else unseen
    return np.where(counts > 0, sums / np.maximum(counts, 1), fallback)
