"""Metrics of a prediction table, compared with SciPy and pandas."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from orchestrator.execution.prediction_metrics import evaluate_table, flat_agreement, mean_agreement
from orchestrator.training.logistic_fit import fit_logistic

METRICS = {"srcc", "plcc", "krcc", "rmse", "plcc_fitted", "srcc_within_generator", "srcc_within_prompt"}


def made(per_prompt: int = 8, prompts: int = 30, seed: int = 0) -> pd.DataFrame:
    """Return predictions of two targets on a curve of the scores; every third prompt is for validation."""
    random = np.random.default_rng(seed)
    rows = per_prompt * prompts
    prompt = np.arange(rows) // per_prompt
    table = pd.DataFrame(
        {
            "part": np.where(prompt % 3 == 0, "validation", "test"),
            "prompt_id": prompt,
            "generator": [f"g{row % 4}" for row in range(rows)],
        }
    )
    for target in ("quality", "alignment"):
        table[f"predicted_{target}"] = random.normal(size=rows)
        bent = 1 / (1 + np.exp(-3 * table[f"predicted_{target}"]))
        table[target] = 1 + 4 * bent + random.normal(0, 0.4, rows)
    return table


def inside(table: pd.DataFrame, target: str, column: str) -> float:
    """Return the mean SRCC of groups of equal size."""
    return np.mean(
        [stats.spearmanr(rows[f"predicted_{target}"], rows[target]).statistic for _, rows in table.groupby(column)]
    )


def test_part_of_another_data_set_has_no_rmse() -> None:
    table = made()
    elsewhere = table.assign(part=table["part"].replace("test", "cross"))
    ours, theirs = evaluate_table(table, "quality").metrics, evaluate_table(elsewhere, "quality", "cross").metrics
    assert set(theirs) == METRICS - {"rmse"} and ours == {**theirs, "rmse": ours["rmse"]}
    strange = elsewhere[elsewhere["part"] == "cross"].assign(predicted_quality=0.0)
    both = pd.concat([table, strange])
    assert evaluate_table(both, "quality").metrics == ours, "a part is judged by itself"
    flat = flat_agreement(elsewhere, ("quality",), "cross_x_", "cross")
    assert flat == {f"cross_x_{name}": value for name, value in theirs.items()}


def test_metrics_use_test_rows_and_the_curve_uses_validation_rows() -> None:
    table = made()
    test, validation = (table[table["part"] == part] for part in ("test", "validation"))
    predicted, truth = test["predicted_quality"], test["quality"]
    found = evaluate_table(table, "quality")
    assert set(found.metrics) == METRICS and found.reasons == {}
    assert found.metrics["srcc"] == pytest.approx(stats.spearmanr(predicted, truth).statistic)
    assert found.metrics["plcc"] == pytest.approx(stats.pearsonr(predicted, truth).statistic)
    assert found.metrics["krcc"] == pytest.approx(stats.kendalltau(predicted, truth).statistic)
    assert found.metrics["rmse"] == pytest.approx(np.sqrt(((predicted - truth) ** 2).mean()))
    assert found.metrics["srcc_within_generator"] == pytest.approx(inside(test, "quality", "generator"))
    assert found.metrics["srcc_within_prompt"] == pytest.approx(inside(test, "quality", "prompt_id"))
    curve = fit_logistic(validation["predicted_quality"], validation["quality"]).curve
    assert found.metrics["plcc_fitted"] == pytest.approx(stats.pearsonr(curve(predicted), truth).statistic)
    assert found.metrics["plcc_fitted"] > found.metrics["plcc"] + 0.02


def test_test_scores_do_not_change_the_curve() -> None:
    table = made()
    shuffled = table.copy()
    test = shuffled["part"] == "test"
    shuffled.loc[test, "quality"] = shuffled.loc[test, "quality"].sample(frac=1, random_state=0).to_numpy()
    assert abs(evaluate_table(shuffled, "quality").metrics["plcc_fitted"]) < 0.2
    assert evaluate_table(table, "quality").metrics["plcc_fitted"] > 0.8


@pytest.mark.parametrize("per_prompt, defined", [(4, False), (5, True)])
def test_prompts_of_fewer_than_five_images_are_excluded(per_prompt: int, defined: bool) -> None:
    found = evaluate_table(made(per_prompt), "quality")
    assert math.isfinite(found.metrics["srcc_within_prompt"]) == defined
    assert found.reasons == (
        {} if defined else {"srcc_within_prompt": "no prompt has 5 test images whose scores and predictions differ"}
    )


def test_missing_metric_has_a_reason() -> None:
    table = made()
    table.loc[table["part"] == "test", "predicted_quality"] = 2.0
    found = evaluate_table(table, "quality")
    assert all(math.isnan(found.metrics[name]) for name in METRICS - {"rmse"})
    assert set(found.reasons) == METRICS - {"rmse"}
    assert found.reasons["srcc"] == "predictions are constant"
    assert found.reasons["plcc_fitted"] == "after the logistic fit, predictions are constant"

    without = evaluate_table(made().query("part == 'test'"), "quality")
    assert without.reasons == {"plcc_fitted": "no logistic fit: fewer than 5 validation rows"}


def test_several_targets_have_means_and_own_metrics() -> None:
    table = made()
    flat = flat_agreement(table, ("quality", "alignment"), "test_")
    names = {f"test_{name}{suffix}" for name in METRICS for suffix in ("", "_quality", "_alignment")}
    assert set(flat) == names
    for name in METRICS:
        own = [evaluate_table(table, target).metrics[name] for target in ("quality", "alignment")]
        assert flat[f"test_{name}"] == pytest.approx(np.mean(own))
        assert [flat[f"test_{name}_quality"], flat[f"test_{name}_alignment"]] == own
    assert set(flat_agreement(table, ("quality",), "test_")) == {f"test_{name}" for name in METRICS}


def test_mean_is_nan_for_the_reason_of_its_target() -> None:
    table = made()
    table["predicted_alignment"] = 1.0
    mean = mean_agreement({target: evaluate_table(table, target) for target in ("quality", "alignment")})
    assert math.isnan(mean.metrics["srcc"]) and mean.reasons["srcc"] == "predictions are constant"
    assert math.isfinite(mean.metrics["rmse"]) and "rmse" not in mean.reasons


def test_target_may_have_any_name() -> None:
    table = made().rename(columns={"quality": "fitted", "predicted_quality": "predicted_fitted"})
    assert set(flat_agreement(table, ("fitted", "alignment"), "")) >= {"plcc_fitted", "plcc_fitted_fitted"}
