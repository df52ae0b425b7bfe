"""Job that fine-tunes on real features and images: killed, resumed, exported, used as a scorer."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from orchestrator.core.spec import build_spec
from orchestrator.core.training_files import PREDICTIONS
from orchestrator.execution.cross_dataset_eval import CROSS_PREDICTIONS, CrossDatasetEval
from orchestrator.execution.job import Job
from orchestrator.execution.prepare import extract_features, prepare
from orchestrator.execution.sweep_context import SweepContext, make_context
from orchestrator.execution.training_job import TrainingJob
from orchestrator.scoring import load_scorer
from tests.execution.contexts import make_job, move_context

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def context(module_folder) -> SweepContext:
    random = np.random.default_rng(0)
    rows = []
    for number in range(40):
        pixels = random.integers(0, 256, (3, 4, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((70, 60)).save(module_folder / f"{number:02d}.png")
        rows.append({"image": f"{number:02d}.png", "prompt": f"scene {number // 4}", "alignment": pixels.mean()})
    pd.DataFrame(rows).to_csv(module_folder / "ratings.csv", index=False)
    settings = {"variant": "text_hyper", "encoders": ("efficientnet_lite0@64",), "backbone": "finetune", "splits": 1}
    prepared = prepare(build_spec({"dataset": f"csv:{module_folder}/ratings.csv", **settings}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HYPERASSESS_CACHE", str(module_folder / "cache"))
        features = extract_features(prepared, lambda done, total, what: None)
    return make_context(
        prepared.dataset,
        features,
        prepared.reads,
        prepared.encoders,
        prepared.targets,
        prepared.splits,
        module_folder / "trials",
        threads=1,
        device="cpu",
        finetune=True,
    )


def job(**changes: object) -> Job:
    model = {"widths": [8], "statistics_width": 16, "rank": 1, "condition_width": 4, "condition_grid": 0}
    return make_job(test=True, epochs=2, model=model, backbone={"frozen_parts": 4, "test_crops": 2}, **changes)


def figures(steps: TrainingJob) -> list[dict[str, float]]:
    messages = [steps.step(), steps.step()]
    assert messages[-1]["outcome"] == "complete"
    found = [epoch["metrics"] for message in messages for epoch in message["epochs"]]
    return [{k: v for k, v in metrics.items() if "seconds" not in k} for metrics in (*found, messages[-1]["final"])]


def test_exported_model_returns_the_measured_scores(context: SweepContext) -> None:
    whole = figures(TrainingJob(job(), context))
    folder = context.trials / job().key
    table = pd.read_csv(folder / PREDICTIONS)
    rows = [context.names.index(name) for name in table["name"]]
    root = context.trials.parent
    scored = load_scorer(folder / "model")(
        [root / name for name in table["name"]], [context.prompts[row] for row in rows]
    )
    np.testing.assert_allclose(scored["alignment"], table["predicted_alignment"], rtol=2e-3)
    assert table["predicted_alignment"].std() > 0
    # The frozen image encoder runs for `conse`, so images are compared in its features.
    assert scored["image_unlike_training"][table["part"] == "validation"].sum() == 0
    assert scored["prompt_unlike_training"].notna().all()

    killed = move_context(context, root / "killed")
    TrainingJob(job(), killed).step()
    np.testing.assert_equal(figures(TrainingJob(job(), killed)), whole, "bit for bit the same")  # NaN is NaN


def test_second_data_set_is_scored_from_its_pixels(context: SweepContext) -> None:
    """Score a data set with some of the context's test rows, whose scores are known."""
    rows = context.splits[1].test
    names = tuple(context.names[row] for row in rows)
    strangers = ("unknown",) * len(rows)
    cross = CrossDatasetEval(
        "same",
        context.features,
        rows,
        names,
        strangers,
        context.prompt_ids[rows],
        context.scores[rows],
        context.targets,
    )
    figures(TrainingJob(job(number=3), replace(context, cross=cross)))
    folder = context.trials / job(number=3).key
    own = pd.read_csv(folder / PREDICTIONS)
    found = pd.read_csv(folder / CROSS_PREDICTIONS)
    assert list(found["name"]) == list(own[own["part"] == "test"]["name"])
    np.testing.assert_allclose(
        found["predicted_alignment"], own[own["part"] == "test"]["predicted_alignment"], rtol=1e-3
    )


def test_ridge_reads_the_frozen_features(context: SweepContext) -> None:
    data = context.training_data(1)
    assert set(data.features) == {*context.reads, "image.pixels"} and "image.pixels" not in context.reads
    assert data.features["image.pixels"].shape == (40, 3, 73, 73)
