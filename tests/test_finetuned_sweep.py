"""A tiny sweep with --backbone finetune, through the real Ray, to a model that scores images."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from PIL import Image
from safetensors.numpy import load_file

from orchestrator.core.workspace import Workspace

pytestmark = pytest.mark.long


def run(folder: Path, command: str, *arguments: str) -> dict:
    whole = [sys.executable, "-m", f"orchestrator.{command}", *arguments, "--json"]
    done = subprocess.run(whole, cwd=folder, capture_output=True, text=True, timeout=540)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def folder(module_folder):
    """15 prompts × 4 little images whose brightness is the quality, all but for noise."""
    random = np.random.default_rng(0)
    rows = []
    for number in range(60):
        level = random.uniform(0, 1)
        pixels = random.normal(40 + 170 * level, 20, (48, 40, 3)).clip(0, 255).astype("uint8")
        Image.fromarray(pixels).save(module_folder / f"{number:02d}.png")
        rows.append({"image": f"{number:02d}.png", "prompt": f"scene {number // 4}", "quality": 1 + 4 * level})
    pd.DataFrame(rows).to_csv(module_folder / "ratings.csv", index=False)
    return module_folder


def test_search_control_and_confirm_are_fine_tuned_and_the_best_model_scores(folder, tmp_path):
    encoder = ["--encoders", "efficientnet_lite0@64", "--backbone", "finetune"]
    size = ["--trials", "2", "--epochs", "2", "--confirm", "1", "--splits", "1"]
    data = ["--variant", "image_hyper", "--dataset", f"csv:{folder}/ratings.csv"]
    mlflow = ["--tracking-uri", f"sqlite:///{folder}/mlflow.db"]
    result = run(folder, "sweep", *data, *encoder, *size, "--name", "tuned", *mlflow)
    assert sum(result["counts"].values()) == sum(result["control_counts"].values()) == 2
    assert result["counts"]["failed"] == result["control_counts"]["failed"] == 0
    assert "frozen_parts" in result["best"]["params"] and "backbone_lr_ratio" in result["control"]["params"]
    assert "ridge" in result["baselines"]

    workspace = Workspace(folder / "sweeps" / "tuned")
    for part in ("best", "control"):
        model = workspace.trials / result[part]["run"] / "model"
        weights = load_file(model / "model.safetensors")
        assert any(name.startswith("backbone.") for name in weights)
        assert json.loads((model / "model.json").read_text())["backbone"]["test_crops"] == 1
    table = pd.read_csv(workspace.trials / result["best"]["run"] / "predictions.csv")
    images = [str(folder / name) for name in table["name"]]
    scored = run(folder, "score", *images, "--model", "tuned", "--prompt", "scene")["scores"]
    found = {row["image"]: row["quality"] for row in scored}
    np.testing.assert_allclose([found[image] for image in images], table["predicted_quality"], atol=2e-3)

    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    sweep = client.get_run(result["mlflow"]["run_id"])
    assert sweep.data.params["backbone"] == "finetune"
