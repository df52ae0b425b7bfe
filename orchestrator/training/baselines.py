"""What a model has to beat: ridge regression on its features, and predictors that see no pixel."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from orchestrator.training.metrics import FloatArray
from orchestrator.training.ridge import fit_ridge
from orchestrator.training.training_data import TrainingData

Codes = NDArray[np.intp]

# Effects of generators and prompts are fitted in turns, each time by means, until least squares is reached.
_TURNS = 50


@dataclass(frozen=True)
class Baseline:
    """One baseline's scores of one target.

    Attributes:
        name: `ridge`, `generator_mean`, `prompt_mean` or `generator_prompt_mean`.
        predictions: (n,) float64 in MOS units; None where it can say nothing about these rows.
        reason: why there are none.
    """

    name: str
    predictions: FloatArray | None
    reason: str | None = None


@dataclass(frozen=True)
class OtherRows:
    """Rows of another data set, whose prompts nothing was trained on, to be predicted beside a split's own.

    Attributes:
        features: name → (K, \\*shape), of all that data set's rows.
        rows: those to predict, (m,) int64.
        generators: who made each of the m images.
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
    """Name → target → baseline, fitted on the training rows, for `rows` (n,) int64 and, after them, for `others`.

    Args:
        data: the split; ridge chooses its penalty on the validation rows, the others do not use them.
        reads: names of the features for ridge.
        generators: who made each of the N images; one value for all, or empty, where unknown.
        rows: the rows to predict.
        others: rows of another data set to predict as well.
    """
    found = [
        ridge(data, reads, rows, others),
        generator_mean(data, generators, rows, others),
        prompt_mean(data, rows, others),
        generator_prompt_mean(data, generators, rows, others),
    ]
    return {next(iter(by_target.values())).name: by_target for by_target in found}


def ridge(
    data: TrainingData, reads: Sequence[str], rows: Tensor, others: OtherRows | None = None
) -> dict[str, Baseline]:
    """Ridge regression on standardised features; maps are averaged over space.

    The penalty with the best validation SRCC is kept, of a fit on the training rows alone, as a model has it.
    """
    predictions = fit_ridge(data, reads, rows, (others.features, others.rows) if others else None)
    return {target: Baseline("ridge", predictions[:, column]) for column, target in enumerate(data.targets)}


def generator_mean(
    data: TrainingData, generators: Sequence[object], rows: Tensor, others: OtherRows | None = None
) -> dict[str, Baseline]:
    """The mean training score of the image's generator; of all images where it is new."""
    codes, asked = _generator_codes(data, generators, others), _asked(data, rows, others)
    return _for_each_target(
        "generator_mean",
        data,
        "the images have no generators that differ" if np.ptp(codes[: len(data.scores)]) == 0 else None,
        lambda scores: _means(scores, codes, data.train)[codes[asked]],
    )


def prompt_mean(data: TrainingData, rows: Tensor, others: OtherRows | None = None) -> dict[str, Baseline]:
    """The mean training score of the image's prompt; of all images where it is new."""
    prompts, asked = _prompt_codes(data, others), _asked(data, rows, others)
    return _for_each_target(
        "prompt_mean",
        data,
        _unseen(prompts, data.train, asked),
        lambda scores: _means(scores, prompts, data.train)[prompts[asked]],
    )


def generator_prompt_mean(
    data: TrainingData, generators: Sequence[object], rows: Tensor, others: OtherRows | None = None
) -> dict[str, Baseline]:
    """An effect of the generator plus one of the prompt, by least squares; 0 for what is new."""
    codes, prompts = _generator_codes(data, generators, others), _prompt_codes(data, others)
    asked, own = _asked(data, rows, others), slice(len(data.scores))

    def predict(scores: FloatArray) -> FloatArray:
        mean = scores[data.train.numpy()].mean()
        by_prompt = np.zeros(prompts.max() + 1)
        by_generator = np.zeros(codes.max() + 1)
        for _ in range(_TURNS):
            by_generator = _means(scores - mean - by_prompt[prompts[own]], codes, data.train, unseen=0.0)
            by_prompt = _means(scores - mean - by_generator[codes[own]], prompts, data.train, unseen=0.0)
        return np.asarray(mean + by_generator[codes[asked]] + by_prompt[prompts[asked]])

    return _for_each_target("generator_prompt_mean", data, _unseen(prompts, data.train, asked), predict)


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


def _asked(data: TrainingData, rows: Tensor, others: OtherRows | None) -> NDArray[np.int64]:
    """`rows`, and those of the others as if they followed on the N of the data."""
    if others is None:
        return np.asarray(rows.numpy())
    return np.concatenate([rows.numpy(), len(data.scores) + np.arange(len(others.rows))])


def _generator_codes(data: TrainingData, generators: Sequence[object], others: OtherRows | None) -> Codes:
    more = list(others.generators) if others else []
    return _codes([*generators, *more] if len(generators) else (), len(data.scores) + len(more))


def _prompt_codes(data: TrainingData, others: OtherRows | None) -> Codes:
    """The others' prompts are one more, which no row is trained on."""
    codes = _codes(data.prompt_ids.numpy(), len(data.scores))
    return np.append(codes, np.full(len(others.rows), codes.max() + 1)) if others else codes


def _unseen(prompts: Codes, train: Tensor, asked: NDArray[np.int64]) -> str | None:
    if np.isin(prompts[asked], prompts[train.numpy()]).any():
        return None
    return "no prompt of these images was seen in training"


def _codes(values: Sequence[object] | NDArray[np.int64], rows: int) -> Codes:
    """0, 1, … for each distinct value; all 0 where there are no values."""
    if not len(values):
        return np.zeros(rows, dtype=np.intp)
    keys = values if isinstance(values, np.ndarray) else np.array([str(value) for value in values])
    return np.asarray(np.unique(keys, return_inverse=True)[1])


def _means(scores: FloatArray, codes: Codes, train: Tensor, unseen: float | None = None) -> FloatArray:
    """Mean training score of every code; `unseen`, or else the mean of all, where it has no training row."""
    rows = train.numpy()
    counts = np.bincount(codes[rows], minlength=codes.max() + 1)
    sums = np.bincount(codes[rows], weights=scores[rows], minlength=codes.max() + 1)
    fallback = scores[rows].mean() if unseen is None else unseen
    return np.where(counts > 0, sums / np.maximum(counts, 1), fallback)
