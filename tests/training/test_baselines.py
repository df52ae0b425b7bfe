from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from orchestrator.training import TrainingData, correlations
from orchestrator.training.baselines import (
    OtherRows,
    all_baselines,
    generator_mean,
    generator_prompt_mean,
    prompt_mean,
    ridge,
)
from orchestrator.training.metrics import srcc
from orchestrator.training.ridge import PENALTIES

AGIQA = Path(__file__).parents[3] / "shared" / "data" / "agiqa3k" / "data.csv"
READS = ("prompt.embedding", "image.map")


@pytest.mark.parametrize("rows", [200, 20], ids=["primal", "dual"])
def test_ridge_equals_scikit_learn_at_the_best_penalty(build_data, rows: int) -> None:
    data = build_data(n_targets=2, rows=rows)
    if rows == 20:
        wide = torch.randn(20, 30, generator=torch.Generator().manual_seed(1))
        data = replace(data, features={**data.features, "prompt.embedding": wide})
    columns = [data.features["prompt.embedding"].float(), data.features["image.map"].float().mean((2, 3))]
    x = torch.cat(columns, 1).double().numpy()
    scaler = StandardScaler().fit(x[data.train])
    train, validation, test = (scaler.transform(x[part]) for part in (data.train, data.validation, data.test))
    found = ridge(data, READS, data.test)
    for column, target in enumerate(data.targets):
        y = data.scores[:, column].double().numpy()
        fits = [Ridge(alpha).fit(train, y[data.train]) for alpha in PENALTIES]
        reached = [srcc(fit.predict(validation), y[data.validation]) for fit in fits]
        expected = fits[int(np.argmax(reached))].predict(test)
        np.testing.assert_allclose(found[target].predictions, expected, rtol=2e-3, atol=2e-3)


def test_ridge_withstands_constant_and_repeated_columns(data: TrainingData) -> None:
    vectors = data.features["prompt.embedding"].float()
    columns = torch.cat([vectors, vectors, torch.ones(len(vectors), 2)], 1)
    found = ridge(replace(data, features={"x": columns}), ["x"], data.test)["quality"].predictions
    assert found is not None and correlations(found, data.scores[data.test, 0].numpy()).srcc > 0.6


def test_generator_mean_falls_back_to_the_mean_for_a_new_generator(data: TrainingData) -> None:
    generators = ["a" if row % 3 else "b" for row in range(160)]
    generators[int(data.test[0])] = "new"
    found = generator_mean(data, generators, data.test)["quality"].predictions
    train = [int(row) for row in data.train]
    means = {g: np.mean([float(data.scores[row]) for row in train if generators[row] == g]) for g in "ab"}
    means["new"] = float(data.scores[data.train].mean())
    np.testing.assert_allclose(found, [means[generators[int(row)]] for row in data.test], rtol=1e-6)


@pytest.mark.parametrize("generators", [[], ["one"] * 160])
def test_without_generators_there_is_no_generator_mean(data: TrainingData, generators: list[str]) -> None:
    found = generator_mean(data, generators, data.test)["quality"]
    assert found.predictions is None and found.reason


class TestOtherRows:
    """Rows of another data set, here a copy of the same data, so that the result is known."""

    @pytest.fixture
    def rows(self, data: TrainingData) -> torch.Tensor:
        return data.test.flip(0)[::2]

    def test_all_are_predicted_as_if_they_were_rows_of_the_data(self, data: TrainingData, rows: torch.Tensor) -> None:
        generators = ["abc"[row % 3] for row in range(160)]
        others = OtherRows(data.features, rows, [generators[row] for row in rows])
        both = all_baselines(data, READS, generators, data.test, others)
        assert both["prompt_mean"]["quality"].predictions is None, "its prompts are new, as those of the test are"
        for name in ("ridge", "generator_mean"):
            found = both[name]["quality"].predictions
            for alone, part in ((data.test, found[: len(data.test)]), (rows, found[len(data.test) :])):
                expected = all_baselines(data, READS, generators, alone)[name]["quality"].predictions
                np.testing.assert_allclose(part, expected, rtol=1e-5)

    def test_their_prompts_are_new_with_any_ids(self, data: TrainingData, rows: torch.Tensor) -> None:
        """Test shares prompts with train here, as in protocol `paper`."""
        order = torch.randperm(160, generator=torch.Generator().manual_seed(0))
        mixed = replace(data, train=order[:100], validation=order[100:130], test=order[130:])
        generators = ["ab"[row % 2] for row in range(160)]
        others = OtherRows(data.features, rows, ["a"] * len(rows))
        found = all_baselines(mixed, READS, generators, mixed.test, others)
        mean = float(mixed.scores[mixed.train].mean())
        np.testing.assert_allclose(found["prompt_mean"]["quality"].predictions[30:], mean, rtol=1e-6)
        effects = found["generator_prompt_mean"]["quality"].predictions
        assert np.ptp(effects[30:]) == 0 and np.isfinite(effects).all()
        for name in ("prompt_mean", "generator_prompt_mean"):
            alone = all_baselines(mixed, READS, generators, mixed.test)[name]["quality"].predictions
            np.testing.assert_allclose(found[name]["quality"].predictions[:30], alone, rtol=1e-9)

    def test_their_generators_do_not_make_up_for_unknown_ones(self, data: TrainingData, rows: torch.Tensor) -> None:
        others = OtherRows(data.features, rows, ["a", "b"] * (len(rows) // 2))
        for unknown in ([], ["unknown"] * 160):
            assert generator_mean(data, unknown, data.test, others)["quality"].predictions is None


def test_new_prompts_have_no_prompt_mean(data: TrainingData) -> None:
    by_name = all_baselines(data, READS, ["a", "b"] * 80, data.test)
    assert list(by_name) == ["ridge", "generator_mean", "prompt_mean", "generator_prompt_mean"]
    for name in ("prompt_mean", "generator_prompt_mean"):
        assert by_name[name]["quality"].predictions is None
        assert "no prompt" in (by_name[name]["quality"].reason or "")
    for name in ("ridge", "generator_mean"):
        assert by_name[name]["quality"].predictions is not None


def test_prompt_mean_and_additive_effects_on_seen_prompts(data: TrainingData) -> None:
    order = torch.randperm(160, generator=torch.Generator().manual_seed(0))
    data = replace(data, train=order[:100], validation=order[100:130], test=order[130:])
    generators = np.random.default_rng(0).integers(0, 4, 160)
    additive = 2.0 + 0.3 * generators + np.sin(data.prompt_ids.numpy())
    data = replace(data, scores=torch.tensor(additive, dtype=torch.float32)[:, None])
    both = generator_prompt_mean(data, list(generators), data.test)["quality"].predictions
    np.testing.assert_allclose(both, additive[data.test], atol=1e-4)
    alone = prompt_mean(data, data.test)["quality"].predictions
    for prediction, row in zip(alone, data.test, strict=True):
        same = data.train[data.prompt_ids[data.train] == data.prompt_ids[row]]
        expected = data.scores[same].mean() if len(same) else data.scores[data.train].mean()
        assert prediction == pytest.approx(float(expected), rel=1e-6)


@pytest.mark.skipif(not AGIQA.is_file(), reason=f"AGIQA-3K is not at {AGIQA}")
def test_agiqa3k_means_reach_what_is_known_of_them() -> None:
    table = pd.read_csv(AGIQA)
    scores = torch.tensor(table[["mos_quality", "mos_align"]].to_numpy(), dtype=torch.float32)
    prompts = torch.tensor(pd.factorize(table["prompt"])[0])
    generators = [name.rsplit("_", 1)[0] for name in table["name"]]
    found = {"generator_mean": [], "generator_prompt_mean": []}
    for seed in range(5):
        generator = torch.Generator().manual_seed(seed)
        test_prompts = torch.randperm(300, generator=generator)[:60]
        held_out = torch.isin(prompts, test_prompts)
        image_level = torch.randperm(len(table), generator=generator) < len(table) // 5
        for name, mask in (("generator_mean", held_out), ("generator_prompt_mean", image_level)):
            test, train = (part.nonzero()[:, 0] for part in (mask, ~mask))
            data = TrainingData({}, scores, ("quality", "alignment"), prompts, train, test, test)
            by_target = (
                generator_mean(data, generators, test)
                if name == "generator_mean"
                else generator_prompt_mean(data, generators, test)
            )
            found[name].append(
                [
                    srcc(by_target[target].predictions, scores[test, column].numpy())
                    for column, target in enumerate(data.targets)
                ]
            )
    assert np.median(found["generator_mean"], 0) == pytest.approx([0.727, 0.610], abs=0.03)
    assert np.median(found["generator_prompt_mean"], 0) == pytest.approx([0.764, 0.752], abs=0.03)
