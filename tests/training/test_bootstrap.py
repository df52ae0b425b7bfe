from math import isnan

import numpy as np
import pytest
import scipy.stats
from numpy.typing import NDArray

from orchestrator.training.bootstrap import Metric, median_interval, paired_interval

Values = NDArray[np.float64]
NAIVE = {"srcc": scipy.stats.spearmanr, "plcc": scipy.stats.pearsonr}


def made(seed: int, prompts: int = 12, runs: int = 3) -> tuple[list[Values], Values, NDArray[np.str_]]:
    """Return runs of rounded predictions (ties), true scores, and prompts of 3 to 9 rows in random order."""
    generator = np.random.default_rng(seed)
    names = np.repeat([f"p{i}" for i in range(prompts)], generator.integers(3, 10, prompts))
    generator.shuffle(names)
    truth = generator.normal(size=len(names)).round(1)
    return [(truth + generator.normal(size=len(names))).round(1) for _ in range(runs)], truth, names


def naive_resamples(prompts: list[str], replicates: int, seed: int) -> list[list[str]]:
    draws = np.random.default_rng(seed).integers(0, len(prompts), size=(replicates, len(prompts)))
    return [[prompts[i] for i in draw] for draw in draws]


def naive_value(metric: Metric, prediction: Values, truth: Values, names: Values, sample: list[str]) -> float:
    rows = np.concatenate([np.flatnonzero(names == prompt) for prompt in sample])
    return float(NAIVE[metric](prediction[rows], truth[rows]).statistic)


@pytest.mark.parametrize("metric", ["srcc", "plcc"])
def test_equals_a_loop_over_the_same_resamples(metric: Metric, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.training.bootstrap._BLOCK", 1000)  # several blocks
    predictions, truth, names = made(0)
    found = median_interval(predictions, truth, names, metric, confidence=0.8, replicates=40, seed=3)
    values = [
        np.median([naive_value(metric, prediction, truth, names, sample) for prediction in predictions])
        for sample in naive_resamples(sorted(set(names)), 40, 3)
    ]
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(values, [0.1, 0.9])), abs=1e-10)
    whole = np.median([NAIVE[metric](prediction, truth).statistic for prediction in predictions])
    assert found.estimate == pytest.approx(whole)
    assert (found.replicates, found.confidence, found.reason) == (40, 0.8, None)


@pytest.mark.parametrize("metric", ["srcc", "plcc"])
def test_pairs_and_runs_of_their_own_equal_a_loop(metric: Metric) -> None:
    runs = [made(seed, prompts=8 + seed, runs=2) for seed in range(3)]
    ours, others = ([run[0][side] for run in runs] for side in (0, 1))
    truths, names = [run[1] for run in runs], [run[2] for run in runs]
    found = paired_interval(ours, others, truths, names, metric, replicates=30, seed=1)
    values = []
    for sample in naive_resamples(sorted(set(np.concatenate(names))), 30, 1):
        differences = []
        for a, b, truth, prompts in zip(ours, others, truths, names, strict=True):
            here = [prompt for prompt in sample if prompt in prompts]
            differences.append(
                naive_value(metric, a, truth, prompts, here) - naive_value(metric, b, truth, prompts, here)
            )
        values.append(np.median(differences))
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(values, [0.025, 0.975])), abs=1e-10)


def test_difference_of_a_model_from_itself_is_0() -> None:
    predictions, truth, names = made(1)
    found = paired_interval(predictions, predictions, truth, names, replicates=20)
    assert (found.estimate, found.low, found.high) == (0, 0, 0)


def test_integer_prompt_ids_and_seeds() -> None:
    predictions, truth, names = made(2)
    codes = np.unique(names, return_inverse=True)[1]
    first = median_interval(predictions, truth, names, replicates=50, seed=1)
    assert median_interval(predictions, truth, codes, replicates=50, seed=1) == first
    assert median_interval(predictions, truth, codes, replicates=50, seed=2) != first


def test_covers_the_true_correlation_about_as_often_as_it_says() -> None:
    """Prompts share a part of the error, so that an interval over rows would be far too narrow."""
    generator = np.random.default_rng(0)
    prompts = np.repeat(np.arange(50), 6)

    def draw() -> tuple[Values, Values]:
        truth = generator.normal(size=50)[prompts] + 0.7 * generator.normal(size=300)
        error = generator.normal(size=50)[prompts] + 0.7 * generator.normal(size=300)
        return truth + error, truth

    true_plcc = np.sqrt(0.5)
    covered = {"prompts": 0, "rows": 0}
    for _ in range(150):
        prediction, truth = draw()
        for kind, ids in (("prompts", prompts), ("rows", np.arange(300))):
            found = median_interval([prediction], truth, ids, "plcc", replicates=200)
            covered[kind] += found.low <= true_plcc <= found.high
    assert 0.88 <= covered["prompts"] / 150 <= 0.99
    assert covered["rows"] / 150 < 0.8


@pytest.mark.parametrize(
    ("prediction", "names", "reason"),
    [
        (np.ones(6), list("aabbcc"), "constant"),
        (np.array([1, 2, 3, np.nan, 5, 6]), list("aabbcc"), "not finite"),
        (np.arange(6.0), list("aaaaaa"), "single prompt"),
    ],
)
def test_without_a_correlation_there_is_no_interval(prediction: Values, names: list[str], reason: str) -> None:
    truth = np.array([1.0, 3, 2, 5, 4, 6])
    found = median_interval([truth, prediction], truth, np.array(names), replicates=10)
    assert isnan(found.estimate) and isnan(found.low) and isnan(found.high)
    assert reason in (found.reason or "")


@pytest.mark.parametrize("metric", ["srcc", "plcc"])
def test_resamples_without_a_correlation_are_excluded(metric: Metric) -> None:
    truth = np.array([0.1, 0.1, 0.1, 0.7, 0.7, 0.7])  # a resample of one prompt is constant
    prediction = np.array([1.0, 2, 3, 2, 3, 4])
    found = median_interval([prediction], truth, np.array(list("aaabbb")), metric, replicates=200)
    defined = [sample for sample in naive_resamples(["a", "b"], 200, 0) if len(set(sample)) > 1]
    assert found.replicates == len(defined) and 50 < len(defined) < 150
    # Two prompts in a resample of two are each contained once, so every such resample is the data itself.
    whole = NAIVE[metric](prediction, truth).statistic
    assert (found.low, found.high) == pytest.approx((whole, whole), abs=1e-10)


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match="must be"):
        median_interval([np.zeros(3)], np.zeros(4), np.zeros(3))
    with pytest.raises(ValueError, match="equal numbers"):
        paired_interval([np.zeros(3)], [], np.zeros(3), np.zeros(3))
    with pytest.raises(ValueError, match="at least one run"):
        median_interval([], np.zeros(3), np.zeros(3))


def test_of_several_targets_a_runs_difference_is_its_mean_over_them() -> None:
    random = np.random.default_rng(3)
    truth = [random.normal(size=80) for _ in range(3)]
    prompts = np.arange(80) // 4
    own = [score + 0.5 * random.normal(size=80) for score in truth]
    other = [score + random.normal(size=80) for score in truth]
    found = paired_interval(own, other, truth, [prompts] * 3, targets=3)
    each = [NAIVE["srcc"](a, t)[0] - NAIVE["srcc"](b, t)[0] for a, b, t in zip(own, other, truth, strict=True)]
    assert found.estimate == pytest.approx(np.mean(each)) and found.low < found.estimate < found.high
    median_of_runs = paired_interval(own, other, truth, [prompts] * 3)
    assert median_of_runs.estimate == pytest.approx(np.median(each)) != found.estimate


def test_targets_come_whole() -> None:
    with pytest.raises(ValueError, match="2 for every run"):
        paired_interval([np.arange(4.0)] * 3, [np.arange(4.0)] * 3, np.arange(4.0), np.arange(4), targets=2)
