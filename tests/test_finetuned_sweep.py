"""A tiny sweep with --backbone finetune, through the real Ray, to a model that scores images."""

import json

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from PIL import Image
from safetensors.numpy import load_file

from orchestrator.core.sweep_folder import Workspace
from tests.commands import invoke, run
from tests.mlflow_database import copy_database

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def folder(module_folder, mlflow_database):
    """15 prompts × 4 little images whose brightness is the quality, but for noise."""
    copy_database(mlflow_database, module_folder)
    random = np.random.default_rng(0)
    rows = []
    for number in range(60):
        level = random.uniform(0, 1)
        pixels = random.normal(40 + 170 * level, 20, (48, 40, 3)).clip(0, 255).astype("uint8")
        Image.fromarray(pixels).save(module_folder / f"{number:02d}.png")
        rows.append({"image": f"{number:02d}.png", "prompt": f"scene {number // 4}", "quality": 1 + 4 * level})
    pd.DataFrame(rows).to_csv(module_folder / "ratings.csv", index=False)
    return module_folder


def test_finetuned_sweep_trains_backbones_and_its_best_model_scores(folder):
    encoder = ["--encoders", "efficientnet_lite0@32", "--backbone", "finetune"]
    size = ["--trials", "2", "--epochs", "2", "--confirm", "1", "--splits", "1", "--concurrency", "1"]
    data = ["--variant", "image_hyper", "--dataset", f"csv:{folder}/ratings.csv"]
    mlflow = ["--tracking-uri", f"sqlite:///{folder}/mlflow.db"]
    result = json.loads(run(folder, "sweep", *data, *encoder, *size, "--name", "tuned", *mlflow, "--json").out)
    assert sum(result["counts"].values()) == sum(result["control_counts"].values()) == 2
    assert result["counts"]["failed"] == result["control_counts"]["failed"] == 0
    assert "frozen_parts" in result["best"]["params"] and "backbone_lr_ratio" in result["control"]["params"]
    assert "ridge" in result["baselines"]

    workspace = Workspace(folder / "sweeps" / "tuned")
    for part in ("best", "control"):
        model = workspace.trials / result[part]["run"] / "model"
        weights = load_file(model / "model.safetensors")
        assert any(name.startswith("backbone.") for name in weights)
        assert json.loads((model / "model.json").read_text(encoding="utf-8"))["backbone"]["test_crops"] == 1
    table = pd.read_csv(workspace.trials / result["best"]["run"] / "predictions.csv")
    images = [str(folder / name) for name in table["name"]]
    scored = json.loads(invoke(folder, "score", *images, "--model", "tuned", "--prompt", "scene", "--json").out)
    quality = {row["image"]: row["quality"] for row in scored["scores"]}
    np.testing.assert_allclose([quality[image] for image in images], table["predicted_quality"], atol=2e-3)

    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    sweep = client.get_run(result["mlflow"]["run_id"])
    assert sweep.data.params["backbone"] == "finetune"
