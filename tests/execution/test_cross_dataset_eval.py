"""A second data set, scored by confirm runs and baselines on made features."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from orchestrator.core.run_files import PREDICTIONS
from orchestrator.execution import cross_dataset_eval
from orchestrator.execution.cross_dataset_eval import CROSS_PREDICTIONS, CrossDatasetEval
from orchestrator.execution.sweep_context import SweepContext
from orchestrator.execution.trainable import JobTrainable
from orchestrator.execution.training_job import TrainingJob
from tests.execution.contexts import make_cross, make_job, make_task, move_context

BASELINES = {"study": "confirm", "variant": "", "model": {}, "source": None, "training": {"epochs": 1}, "params": {}}
FIGURES = {"srcc", "plcc", "krcc", "plcc_fitted", "srcc_within_generator", "srcc_within_prompt"}


@pytest.fixture
def task(tmp_path: Path) -> SweepContext:
    task = make_task(tmp_path)
    return replace(task, cross=make_cross(task))


def elsewhere(task: SweepContext) -> Path:
    """Another folder for jobs."""
    (task.trials / "b").mkdir()
    return task.trials / "b"


def final(job, task) -> dict[str, float]:
    worker = JobTrainable.__new__(JobTrainable)
    worker.setup(job.as_config(), task)
    while True:
        result = worker.step()
        if result["done"]:
            (message,) = result["message"]
            assert message["outcome"] == "complete", message.get("error")
            return message["final"]


def test_a_confirm_run_scores_every_row_of_it_with_the_best_epochs_model(task: SweepContext) -> None:
    found = final(make_job(5, test=True), task)
    table = pd.read_csv(task.trials / "confirm-0005" / CROSS_PREDICTIONS)
    assert list(table["name"]) == list(task.cross.names) and set(table["part"]) == {"cross"}
    np.testing.assert_allclose(table["alignment"], task.cross.scores[:, 0])
    predicted, truth = table["predicted_alignment"], table["alignment"]
    assert {name.removeprefix("cross_elsewhere_") for name in found if name.startswith("cross_")} == FIGURES
    assert found["cross_elsewhere_srcc"] == pytest.approx(stats.spearmanr(predicted, truth).statistic)
    assert found["cross_elsewhere_plcc"] == pytest.approx(stats.pearsonr(predicted, truth).statistic, abs=1e-5)
    assert found["cross_elsewhere_krcc"] == pytest.approx(stats.kendalltau(predicted, truth).statistic)

    steps = TrainingJob(make_job(5, test=True), task)  # from its last checkpoint, best epoch and all
    steps._training.restore_best()
    features = {name: tensor[task.cross.rows] for name, tensor in task.cross.features.tensors().items()}
    model, scale = steps._training.model.eval(), steps._training.scale
    with torch.no_grad():
        scores = scale.restore(model({name: tensor.float() for name, tensor in features.items()}))
    np.testing.assert_allclose(predicted, scores[:, 0], rtol=1e-4)


def test_the_ordinary_figures_are_what_they_were_without_it(task: SweepContext, tmp_path: Path) -> None:
    alone = make_task(tmp_path / "alone")
    for job in (make_job(5, test=True), make_job(6, test=True, **BASELINES)):
        with_it, without = final(job, task), final(job, alone)
        assert {k: v for k, v in with_it.items() if "cross_" not in k} == pytest.approx(without, nan_ok=True)
        files = sorted(path.name for path in (alone.trials / job.key).glob("*.csv"))
        more = {path.name for path in (task.trials / job.key).glob("*.csv")} - set(files)
        assert more and all(name.endswith(CROSS_PREDICTIONS) for name in more)
        for name in files:
            ours, theirs = (pd.read_csv(one.trials / job.key / name) for one in (task, alone))
            pd.testing.assert_frame_equal(ours, theirs)


def test_a_searched_trial_never_sees_it(task: SweepContext) -> None:
    found = final(make_job(0), task)
    assert not any("cross" in name for name in found)
    assert not (task.trials / "trial-0000" / CROSS_PREDICTIONS).exists()


def test_scores_in_other_units_change_nothing(task: SweepContext) -> None:
    one = final(make_job(5, test=True), task)
    scaled = replace(task, cross=replace(task.cross, scores=100 + 20 * task.cross.scores))
    assert final(make_job(5, test=True), move_context(scaled, elsewhere(task))) == pytest.approx(one)


def test_the_logistic_curve_is_of_the_training_datas_validation_rows(task: SweepContext, monkeypatch) -> None:
    seen = []
    real = cross_dataset_eval.flat_agreement
    monkeypatch.setattr(
        cross_dataset_eval, "flat_agreement", lambda table, *more: seen.append(table) or real(table, *more)
    )
    final(make_job(5, test=True), task)
    own = pd.read_csv(task.trials / "confirm-0005" / PREDICTIONS)
    validation = own[own["part"] == "validation"]
    (table,) = seen
    assert list(table[table["part"] == "validation"]["name"]) == list(validation["name"])
    assert set(table["part"]) == {"validation", "cross"}


def test_in_batches_it_is_the_same(task: SweepContext, monkeypatch) -> None:
    one = final(make_job(5, test=True), task)
    monkeypatch.setattr(cross_dataset_eval, "_ROWS_AT_ONCE", 7)
    assert final(make_job(5, test=True), move_context(task, elsewhere(task))) == pytest.approx(one, rel=1e-5)


def test_of_several_targets_those_that_it_has(tmp_path: Path) -> None:
    task = make_task(tmp_path, ("quality", "alignment"))
    for targets in (("alignment",), ("quality", "alignment")):
        folder = tmp_path / str(len(targets))
        folder.mkdir()
        found = final(make_job(5, test=True), move_context(replace(task, cross=make_cross(task, targets)), folder))
        table = pd.read_csv(folder / "confirm-0005" / CROSS_PREDICTIONS)
        srcc = [stats.spearmanr(table[f"predicted_{t}"], table[t]).statistic for t in targets]
        assert found["cross_elsewhere_srcc"] == pytest.approx(np.mean(srcc), abs=1e-6)
        assert ("cross_elsewhere_srcc_quality" in found) == (len(targets) > 1)
        assert ("quality" in table) == (len(targets) > 1)


def test_baselines_score_it_or_say_why_not(task: SweepContext) -> None:
    found = final(make_job(6, test=True, **BASELINES), task)
    table = pd.read_csv(task.trials / "confirm-0006" / f"ridge_{CROSS_PREDICTIONS}")
    assert list(table["name"]) == list(task.cross.names)
    srcc = stats.spearmanr(table["predicted_alignment"], table["alignment"]).statistic
    assert found["ridge_cross_elsewhere_srcc"] == pytest.approx(srcc) and srcc > 0.5, "the same rule made its scores"
    means = pd.read_csv(task.trials / "confirm-0006" / f"generator_mean_{CROSS_PREDICTIONS}")
    assert means.groupby("generator")["predicted_alignment"].nunique().max() == 1
    assert not (task.trials / "confirm-0006" / f"prompt_mean_{CROSS_PREDICTIONS}").exists()


def test_generators_that_nobody_trained_on_have_no_correlation(task: SweepContext) -> None:
    strangers = replace(task.cross, generators=("new",) * len(task.cross.rows))
    found = final(make_job(6, test=True, **BASELINES), replace(task, cross=strangers))
    assert np.isnan(found["generator_mean_cross_elsewhere_srcc"]) and found["ridge_cross_elsewhere_srcc"] > 0.5


def test_it_travels(task: SweepContext) -> None:
    import pickle

    sent: CrossDatasetEval = pickle.loads(pickle.dumps(task)).cross
    assert sent.names == task.cross.names and sent.prefix == "cross_elsewhere_"
