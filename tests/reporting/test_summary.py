"""The summary of a sweep, compared with figures from its files by SciPy and pandas."""

import json
from statistics import median

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from orchestrator.core.training_files import PREDICTIONS
from orchestrator.reporting.baseline_names import BASELINES
from orchestrator.search.outcome import Outcome
from orchestrator.training.logistic_fit import FittedPlcc, fit_logistic

pytestmark = pytest.mark.integration


def predictions(made, key, part="test", file=PREDICTIONS):
    table = pd.read_csv(made.workspace.trials / key / file)
    return table[table["part"] == part]


def validation_of(made, line):
    return [predictions(made, key, "validation") for key in line.runs]


def srcc(table, target="alignment"):
    return stats.spearmanr(table[f"predicted_{target}"], table[target]).statistic


def plcc(table, target="alignment"):
    return stats.pearsonr(table[f"predicted_{target}"], table[target]).statistic


def baseline_keys(made):
    return [f"confirm-{t.number:04d}" for t in made.sweep.confirm.trials() if t.attributes["source"] is None]


def test_figures_on_test_are_medians_over_the_confirm_runs(made):
    summary = made.summary()
    assert len(summary.confirmed) == 4 and all(len(line.runs) == 3 for line in summary.confirmed)
    for line in summary.confirmed:
        tables = [predictions(made, key) for key in line.runs]
        assert line.test.metrics["srcc"] == pytest.approx(median(map(srcc, tables)), abs=1e-6)
        assert line.test.metrics["plcc"] == pytest.approx(median(map(plcc, tables)), abs=1e-6)
        krcc = [stats.kendalltau(t["predicted_alignment"], t["alignment"]).statistic for t in tables]
        rmse = [np.sqrt(((t["predicted_alignment"] - t["alignment"]) ** 2).mean()) for t in tables]
        assert line.test.metrics["krcc"] == pytest.approx(median(krcc), abs=1e-6)
        assert line.test.metrics["rmse"] == pytest.approx(median(rmse), rel=1e-5)
        for metric in ("srcc", "plcc"):
            interval = line.test.intervals[metric]
            assert interval.low <= line.test.metrics[metric] <= interval.high
            assert interval.estimate == pytest.approx(line.test.metrics[metric], abs=1e-6)
        within = [np.mean([srcc(rows) for _, rows in table.groupby("prompt_id")]) for table in tables]
        assert line.test.metrics["srcc_within_prompt"] == pytest.approx(median(within), abs=1e-6)
        fits = [fit_logistic(t["predicted_alignment"], t["alignment"]).curve for t in validation_of(made, line)]
        fitted = [
            stats.pearsonr(fit(table["predicted_alignment"]), table["alignment"]).statistic
            for fit, table in zip(fits, tables, strict=True)
            if fit is not None
        ]
        fitted = [figure for figure in fitted if np.isfinite(figure)]  # a flat curve has no correlation
        assert line.test.metrics["plcc_fitted"] == pytest.approx(
            median(fitted) if fitted else np.nan, abs=1e-6, nan_ok=True
        )
        validation = [srcc(predictions(made, key, "validation")) for key in line.runs]
        assert line.validation.metrics["srcc"] == pytest.approx(median(validation), abs=1e-6)


def test_the_best_is_chosen_on_validation(made):
    summary = made.summary()
    for study in ("search", "control"):
        lines = [line for line in summary.confirmed if line.study == study]
        scores = [line.validation.metrics["srcc"] for line in lines]
        assert scores == sorted(scores, reverse=True) and summary.best(study) is lines[0]
    assert [line.study for line in summary.confirmed] == ["search"] * 2 + ["control"] * 2


def test_the_representative_is_the_run_with_the_median_validation_score(made):
    for line in made.summary().confirmed:
        scores = {key: srcc(predictions(made, key, "validation")) for key in line.runs}
        assert scores[line.representative] == pytest.approx(median(scores.values()), abs=1e-6)
        assert (made.workspace.trials / line.representative / "model" / "model.json").is_file()


def test_baselines_are_on_the_same_splits_or_have_a_reason(made):
    found = {line.name: line for line in made.summary().baselines}
    assert set(found) == set(BASELINES)
    tables = [predictions(made, key, file="ridge.csv") for key in baseline_keys(made)]
    assert len(tables) == 3
    assert found["ridge"].test.metrics["srcc"] == pytest.approx(median(map(srcc, tables)), abs=1e-6)
    assert found["ridge"].test.metrics["plcc_fitted"] > 0.3
    assert np.isfinite(found["ridge"].test.metrics["srcc_within_prompt"])
    assert found["prompt_mean"].test is None and found["prompt_mean"].reason


def test_comparisons_are_paired_by_split(made):
    summary = made.summary()
    found = {comparison.against: comparison.difference for comparison in summary.comparisons}
    assert {"control", "ridge", "generator_mean"} <= set(found) and "prompt_mean" not in found
    best, control = summary.best("search"), summary.best("control")
    own = [srcc(predictions(made, key)) for key in best.runs]
    others = [srcc(predictions(made, key)) for key in control.runs]
    differences = [a - b for a, b in zip(own, others, strict=True)]
    assert found["control"].estimate == pytest.approx(median(differences), abs=1e-6)
    assert found["control"].low <= found["control"].estimate <= found["control"].high
    ridge = [srcc(predictions(made, key, file="ridge.csv")) for key in baseline_keys(made)]
    differences = [a - b for a, b in zip(own, ridge, strict=True)]
    assert found["ridge"].estimate == pytest.approx(median(differences), abs=1e-6)


def test_the_result_is_json_without_nan(made, two):
    for one in (made, two):
        result = one.summary().as_result()
        read = json.loads(json.dumps(result, allow_nan=False))
        assert read["counts"] == {"complete": 3, "pruned": 0, "diverged": 0, "infeasible": 0, "failed": 0}
        assert read["best"]["run"] in one.summary().best("search").runs
        assert read["best"]["params"] == one.sweep.arms[0].ledger.trial(read["best"]["trial"]).params
        assert read["baselines"]["prompt_mean"]["srcc"] is None and read["baselines"]["prompt_mean"]["reason"]


def test_a_figure_without_runs_is_null_with_its_reason(made, monkeypatch):
    failed = FittedPlcc(np.nan, "no logistic fit: the search did not converge")
    monkeypatch.setattr("orchestrator.execution.prediction_metrics.fitted_plcc", lambda *given: failed)
    test = made.summary().as_result()["best"]["test"]
    assert test["plcc_fitted"] is None and test["reasons"] == {"plcc_fitted": failed.reason}
    monkeypatch.undo()
    assert "reasons" not in made.summary().as_result()["best"]["test"]


def test_headline_metrics_are_finite_and_agree_with_the_result(made):
    summary = made.summary()
    headline, result = summary.headline_metrics(), summary.as_result()
    assert all(np.isfinite(value) for value in headline.values())
    assert headline["test_srcc"] == pytest.approx(result["best"]["test"]["srcc"], abs=1e-6)
    assert headline["control_test_srcc"] == pytest.approx(result["control"]["test"]["srcc"], abs=1e-6)
    assert {"test_plcc_fitted", "test_srcc_within_generator", "test_srcc_within_prompt"} <= set(headline)
    assert headline["trials_complete"] == 3


def test_several_targets_have_their_own_figures_and_their_mean(two):
    best = two.summary().best("search")
    tables = [predictions(two, key) for key in best.runs]
    for target in ("quality", "alignment"):
        own = best.test.targets[target]
        assert own.metrics["srcc"] == pytest.approx(median(srcc(t, target) for t in tables), abs=1e-6)
        assert own.intervals["srcc"].low <= own.metrics["srcc"] <= own.intervals["srcc"].high
        assert set(best.validation.targets[target].metrics) >= {"srcc", "plcc"}
    means = [np.mean([srcc(t, target) for target in ("quality", "alignment")]) for t in tables]
    assert best.test.metrics["srcc"] == pytest.approx(median(means), abs=1e-6)
    assert {c.target for c in two.summary().comparisons} == {"quality", "alignment"}
    assert set(two.summary().as_result()["best"]["test"]["targets"]) == {"quality", "alignment"}


def test_an_unconfirmed_configuration_has_the_figures_of_its_search_trial(run_sweep, tmp_path):
    made = run_sweep(tmp_path, confirm=0)
    summary = made.summary()
    best = summary.best("search")
    assert best.test is None and best.runs == () and best.representative is None
    assert best.validation.metrics["srcc"] == max(t.objective for t in made.sweep.arms[0].ledger.trials())
    assert summary.baselines == () and summary.comparisons == ()
    assert json.dumps(summary.as_result(), allow_nan=False)


def test_a_sweep_without_finite_scores_has_a_summary(run_sweep, tmp_path):
    wrong = {f"{arm}-{n:04d}": ("failed", 1) for arm in ("trial", "control") for n in range(3)}
    summary = run_sweep(tmp_path, wrong=wrong).summary()
    assert summary.confirmed == () and summary.best("search") is None and summary.comparisons == ()
    result = json.loads(json.dumps(summary.as_result(), allow_nan=False))
    assert result["best"] is None and result["counts"]["failed"] == 3
    assert result["baselines"]["ridge"]["srcc"] is not None


def test_a_failed_confirm_run_is_excluded(run_sweep, made, tmp_path):
    failed = made.summary().best("search").runs[0]
    again = run_sweep(tmp_path, wrong={failed: ("failed", 1)})
    lost = next(line for line in again.summary().confirmed if len(line.runs) == 2)
    assert failed not in lost.runs and lost.test is not None and lost.representative in lost.runs
    key = int(failed.split("-")[1])
    assert again.sweep.confirm.trial(key).outcome is Outcome.FAILED
    assert json.dumps(again.summary().as_result(), allow_nan=False)


def test_a_configuration_without_a_complete_confirm_run_has_no_test_figures(run_sweep, made, tmp_path):
    runs = made.summary().best("search").runs
    summary = run_sweep(tmp_path, wrong=dict.fromkeys(runs, ("infeasible", 1))).summary()
    lost = next(line for line in summary.confirmed if not line.runs)
    assert lost.test is None and lost.representative is None
    assert json.dumps(summary.as_result(), allow_nan=False)
