"""Scoring of a second data set by confirm runs and baselines on generated features."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from orchestrator.core.training_files import PREDICTIONS
from orchestrator.execution import cross_dataset_eval
from orchestrator.execution.cross_dataset_eval import CROSS_PREDICTIONS, CrossDatasetEval
from orchestrator.execution.sweep_context import SweepContext
from orchestrator.execution.trainable import JobTrainable
from orchestrator.execution.training_job import TrainingJob
from tests.execution.contexts import make_cross, make_job, make_sweep_context, move_context

BASELINES = {"study": "confirm", "variant": "", "model": {}, "source": None, "training": {"epochs": 1}, "params": {}}
FIGURES = {"srcc", "plcc", "krcc", "plcc_fitted", "srcc_within_generator", "srcc_within_prompt"}


@pytest.fixture
def context(tmp_path: Path) -> SweepContext:
    context = make_sweep_context(tmp_path)
    return replace(context, cross=make_cross(context))


def elsewhere(context: SweepContext) -> Path:
    """Create and return another folder for jobs."""
    (context.trials / "b").mkdir()
    return context.trials / "b"


def final(job, context) -> dict[str, float]:
    worker = JobTrainable.__new__(JobTrainable)
    worker.setup(job.as_config(), context)
    while True:
        result = worker.step()
        if result["done"]:
            (message,) = result["message"]
            assert message["outcome"] == "complete", message.get("error")
            return message["final"]


def test_confirm_run_scores_every_row_with_the_best_epoch_s_model(context: SweepContext) -> None:
    found = final(make_job(5, test=True), context)
    table = pd.read_csv(context.trials / "confirm-0005" / CROSS_PREDICTIONS)
    assert list(table["name"]) == list(context.cross.names) and set(table["part"]) == {"cross"}
    np.testing.assert_allclose(table["alignment"], context.cross.scores[:, 0])
    predicted, truth = table["predicted_alignment"], table["alignment"]
    assert {name.removeprefix("cross_elsewhere_") for name in found if name.startswith("cross_")} == FIGURES
    assert found["cross_elsewhere_srcc"] == pytest.approx(stats.spearmanr(predicted, truth).statistic)
    assert found["cross_elsewhere_plcc"] == pytest.approx(stats.pearsonr(predicted, truth).statistic, abs=1e-5)
    assert found["cross_elsewhere_krcc"] == pytest.approx(stats.kendalltau(predicted, truth).statistic)

    steps = TrainingJob(make_job(5, test=True), context)  # from its last checkpoint, best epoch and all
    steps._training.restore_best()
    features = {name: tensor[context.cross.rows] for name, tensor in context.cross.features.tensors().items()}
    model, scale = steps._training.model.eval(), steps._training.scale
    with torch.no_grad():
        scores = scale.restore(model({name: tensor.float() for name, tensor in features.items()}))
    np.testing.assert_allclose(predicted, scores[:, 0], rtol=1e-4)


def test_second_data_set_does_not_change_the_other_metrics(context: SweepContext, tmp_path: Path) -> None:
    alone = make_sweep_context(tmp_path / "alone")
    for job in (make_job(5, test=True), make_job(6, test=True, **BASELINES)):
        with_it, without = final(job, context), final(job, alone)
        assert {k: v for k, v in with_it.items() if "cross_" not in k} == pytest.approx(without, nan_ok=True)
        files = sorted(path.name for path in (alone.trials / job.key).glob("*.csv"))
        more = {path.name for path in (context.trials / job.key).glob("*.csv")} - set(files)
        assert more and all(name.endswith(CROSS_PREDICTIONS) for name in more)
        for name in files:
            ours, theirs = (pd.read_csv(one.trials / job.key / name) for one in (context, alone))
            pd.testing.assert_frame_equal(ours, theirs)


def test_searched_trial_does_not_read_the_second_data_set(context: SweepContext) -> None:
    found = final(make_job(0), context)
    assert not any("cross" in name for name in found)
    assert not (context.trials / "trial-0000" / CROSS_PREDICTIONS).exists()


def test_units_of_the_scores_do_not_change_the_metrics(context: SweepContext) -> None:
    one = final(make_job(5, test=True), context)
    scaled = replace(context, cross=replace(context.cross, scores=100 + 20 * context.cross.scores))
    assert final(make_job(5, test=True), move_context(scaled, elsewhere(context))) == pytest.approx(one)


def test_logistic_curve_is_fitted_on_the_training_data_s_validation_rows(context: SweepContext, monkeypatch) -> None:
    seen = []
    real = cross_dataset_eval.flat_agreement
    monkeypatch.setattr(
        cross_dataset_eval, "flat_agreement", lambda table, *more: seen.append(table) or real(table, *more)
    )
    final(make_job(5, test=True), context)
    own = pd.read_csv(context.trials / "confirm-0005" / PREDICTIONS)
    validation = own[own["part"] == "validation"]
    (table,) = seen
    assert list(table[table["part"] == "validation"]["name"]) == list(validation["name"])
    assert set(table["part"]) == {"validation", "cross"}


def test_batch_size_does_not_change_the_metrics(context: SweepContext, monkeypatch) -> None:
    one = final(make_job(5, test=True), context)
    monkeypatch.setattr(cross_dataset_eval, "_ROWS_AT_ONCE", 7)
    assert final(make_job(5, test=True), move_context(context, elsewhere(context))) == pytest.approx(one, rel=1e-5)


def test_metrics_cover_the_targets_of_the_second_data_set(tmp_path: Path) -> None:
    context = make_sweep_context(tmp_path, ("quality", "alignment"))
    for targets in (("alignment",), ("quality", "alignment")):
        folder = tmp_path / str(len(targets))
        folder.mkdir()
        found = final(
            make_job(5, test=True), move_context(replace(context, cross=make_cross(context, targets)), folder)
        )
        table = pd.read_csv(folder / "confirm-0005" / CROSS_PREDICTIONS)
        srcc = [stats.spearmanr(table[f"predicted_{t}"], table[t]).statistic for t in targets]
        assert found["cross_elsewhere_srcc"] == pytest.approx(np.mean(srcc), abs=1e-6)
        assert ("cross_elsewhere_srcc_quality" in found) == (len(targets) > 1)
        assert ("quality" in table) == (len(targets) > 1)


def test_baselines_score_the_second_data_set_or_state_a_reason(context: SweepContext) -> None:
    found = final(make_job(6, test=True, **BASELINES), context)
    table = pd.read_csv(context.trials / "confirm-0006" / f"ridge_{CROSS_PREDICTIONS}")
    assert list(table["name"]) == list(context.cross.names)
    srcc = stats.spearmanr(table["predicted_alignment"], table["alignment"]).statistic
    assert found["ridge_cross_elsewhere_srcc"] == pytest.approx(srcc) and srcc > 0.5, "the same rule made its scores"
    means = pd.read_csv(context.trials / "confirm-0006" / f"generator_mean_{CROSS_PREDICTIONS}")
    assert means.groupby("generator")["predicted_alignment"].nunique().max() == 1
    assert not (context.trials / "confirm-0006" / f"prompt_mean_{CROSS_PREDICTIONS}").exists()


def test_generator_mean_has_no_correlation_for_unknown_generators(context: SweepContext) -> None:
    strangers = replace(context.cross, generators=("new",) * len(context.cross.rows))
    found = final(make_job(6, test=True, **BASELINES), replace(context, cross=strangers))
    assert np.isnan(found["generator_mean_cross_elsewhere_srcc"]) and found["ridge_cross_elsewhere_srcc"] > 0.5


def test_cross_dataset_eval_is_pickled(context: SweepContext) -> None:
    import pickle

    sent: CrossDatasetEval = pickle.loads(pickle.dumps(context)).cross
    assert sent.names == context.cross.names and sent.prefix == "cross_elsewhere_"
