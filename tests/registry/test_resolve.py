import json
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml
from mlflow.tracking import MlflowClient

import orchestrator
from orchestrator.core.errors import InputError
from orchestrator.core.spec import SweepSpec
from orchestrator.registry.download import scorer_folder
from orchestrator.registry.export import export_model
from orchestrator.registry.resolve import resolve_model
from orchestrator.scoring.percentiles import from_tag
from orchestrator.tracking.model_digest import folder_digest

pytestmark = pytest.mark.integration


@pytest.fixture
def foreign(made):
    """Name of a registered model with the same files, whose tags a test may change."""
    client = made.client
    name = f"foreign_{len(client.search_registered_models())}"
    client.create_registered_model(name)
    source = client.get_model_version("text_hyper", "1").source
    client.create_model_version(name, source, made.run_id)
    return name


@pytest.fixture(scope="module")
def finished(made, tmp_path_factory):
    """Folder of sweeps with the finished sweep of the model."""
    sweeps = tmp_path_factory.mktemp("sweeps")
    trials = sweeps / "made" / "trials" / "confirm-0"
    shutil.copytree(made.model, trials / "model")
    shutil.copyfile(made.folder / "predictions.csv", trials / "predictions.csv")
    spec = SweepSpec(name="made", variant="text_hyper", dataset="csv:ratings.csv")
    (sweeps / "made" / "spec.yaml").write_text(yaml.safe_dump(spec.model_dump(mode="json")), encoding="utf-8")
    (sweeps / "made" / "result.json").write_text(json.dumps({"best": {"run": "confirm-0"}}), encoding="utf-8")
    return sweeps


@pytest.mark.parametrize("kind", ["alias", "version", "uri", "run", "sweep", "folder", "export", "zip"])
def test_resolve_model_returns_the_same_model_for_each_reference(made, finished, kind, tmp_path):
    reference = {
        "alias": "text_hyper@champion",
        "version": "text_hyper/1",
        "uri": "models:/text_hyper/1",
        "run": made.run_id,
        "sweep": "made",
        "folder": str(made.model),
        "export": str(tmp_path / "export"),
        "zip": str(tmp_path / "export.zip"),
    }[kind]
    if kind in {"export", "zip"}:
        with resolve_model("text_hyper@champion", Path("none"), made.uri) as model:
            export_model(model, Path(reference))
    with resolve_model(reference, finished, made.uri) as model:
        assert model.verify() == folder_digest(made.model)
        assert (model.sha256 is None) == (kind in {"sweep", "folder"})  # no digest is recorded for local files
        if kind not in {"run", "sweep", "folder"}:
            assert model.about["registered"] == "text_hyper/1"
        if kind != "folder":
            assert model.about["dataset"] == "csv:ratings.csv" and model.about["run_key"] == "confirm-0"
            assert model.predictions.read_bytes() == (made.folder / "predictions.csv").read_bytes()


def test_import_of_load_scorer_loads_no_large_package(tmp_path):
    heavy = ("torch", "mlflow", "ray", "optuna", "pandas", "numpy", "orchestrator.registry")
    code = f"import sys; from orchestrator import load_scorer; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True, encoding="utf-8"
    )
    assert done.stdout.strip() == "[]"


def test_load_scorer_scores_with_the_champion_without_unpickling(made, monkeypatch):
    """Refuse every pickle except the weights of an installed encoder, which are read as tensors only."""

    def refused(*arguments, **options):
        raise AssertionError("a pickle is read")

    def tensors_only(file, **options):
        assert options.get("weights_only") is True and "site-packages" in str(file)
        return load(file, **options)

    load = torch.load
    monkeypatch.setattr(torch, "load", tensors_only)
    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(pickle, name, refused)
    scores = orchestrator.load_scorer("text_hyper@champion", tracking_uri=made.uri)(made.images[:3], "a fox")
    pd.testing.assert_frame_equal(scores, made.scorer(made.images[:3], "a fox"))


@pytest.mark.parametrize(
    ("reference", "sentence"),
    [
        ("text_hyper@challenger", r"text_hyper has no @challenger: it has @champion and the versions 1\."),
        ("text_hyper/9", "text_hyper has no /9"),
        ("txt_hyper@champion", "did you mean text_hyper"),
        ("0" * 32, "has no run 0000"),
        ("my sweep", "There are no sweeps"),
    ],
)
def test_resolve_model_reports_what_is_missing(made, reference, sentence):
    with pytest.raises(InputError, match=sentence), resolve_model(reference, Path("sweeps"), made.uri):
        pass


def test_resolve_model_refuses_a_run_without_a_model(made):
    client = made.client
    run = client.create_run(client.get_run(made.run_id).info.experiment_id)
    with pytest.raises(InputError, match="has no model"), resolve_model(run.info.run_id, Path("sweeps"), made.uri):
        pass


def test_resolve_model_refuses_a_version_without_a_digest(made, foreign):
    with pytest.raises(InputError, match="has no tag sha256"), resolve_model(f"{foreign}/1", Path("sweeps"), made.uri):
        pass


def test_resolve_model_refuses_a_logged_model_without_a_digest(made):
    client = made.client
    experiment = client.get_run(made.run_id).info.experiment_id
    run = client.create_run(experiment).info.run_id
    model = client.create_logged_model(experiment, "m", run)
    client.finalize_logged_model(model.model_id, "READY")
    with pytest.raises(InputError, match="has no tag sha256"), resolve_model(run, Path("sweeps"), made.uri):
        pass


def test_resolve_model_refuses_a_version_with_another_digest(made, foreign):
    made.client.set_model_version_tag(foreign, "1", "sha256", "0" * 64)
    refused = pytest.raises(InputError, match="is not the one that was recorded")
    with refused as error, resolve_model(f"{foreign}/1", Path("sweeps"), made.uri):
        pass
    assert "\n" not in str(error.value)


def test_load_scorer_refuses_an_export_whose_files_changed(made, tmp_path):
    with resolve_model(str(made.model), Path("none")) as model:
        export_model(model, tmp_path / "export")
    card = tmp_path / "export" / "model" / "model.json"
    card.write_text(card.read_text(encoding="utf-8").replace("3.0", "4.0"), encoding="utf-8")
    with pytest.raises(InputError, match="is not the one that was recorded"):
        orchestrator.load_scorer(str(tmp_path / "export"))


@pytest.mark.parametrize("tag", ["5", "[1, 2]", '{"alignment": 5}', "{"])
def test_resolve_model_ignores_invalid_quantiles(made, foreign, tag):
    made.client.set_model_version_tag(foreign, "1", "sha256", folder_digest(made.model))
    made.client.set_model_version_tag(foreign, "1", "mos_quantiles", tag)
    with resolve_model(f"{foreign}/1", Path("sweeps"), made.uri) as model:
        assert from_tag(model.mos_quantiles) == {}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"loader_module": "mlflow.sklearn"}, r"contains code of its own \(mlflow.sklearn\)"),
        ({"loader_module": "os"}, "contains code of its own"),
        ({"code": "code"}, r"contains code of its own \(code\)"),
        ({"python_model": "python_model.pkl"}, "contains code of its own"),
        ({"data": "../../elsewhere"}, "refers to data outside its folder"),
        ({"data": "/etc"}, "refers to data outside its folder"),
        ({"data": None}, "is not a model of this project"),
    ],
)
def test_scorer_folder_refuses_an_artifact_with_code_or_outside_data(made, tmp_path, change, sentence):
    root = made.artifact(tmp_path / "artifact")
    content = yaml.safe_load((root / "MLmodel").read_text(encoding="utf-8"))
    content["flavors"]["python_function"].update(change)
    (root / "MLmodel").write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(InputError, match=sentence):
        scorer_folder(root, "text_hyper/1")


def test_scorer_folder_refuses_another_flavor(tmp_path):
    (tmp_path / "MLmodel").write_text("flavors: {sklearn: {pickled_model: model.pkl}}", encoding="utf-8")
    with pytest.raises(InputError, match="is not a model of this project"):
        scorer_folder(tmp_path, "clf/1")


def test_resolve_model_deletes_its_downloads(made, monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    with resolve_model("text_hyper@champion", Path("sweeps"), made.uri) as model:
        assert model.folder.is_relative_to(tmp_path)
    assert not list(tmp_path.glob("*/**/model.safetensors"))


def test_resolve_model_reports_a_registry_that_does_not_answer(monkeypatch):
    def away(*arguments, **options):
        raise ConnectionError("connection refused")

    monkeypatch.setattr(MlflowClient, "get_model_version_by_alias", away)
    monkeypatch.setattr(MlflowClient, "search_registered_models", away)
    refused = pytest.raises(InputError, match="does not answer")
    with refused, resolve_model("text_hyper@champion", Path("sweeps"), "http://127.0.0.1:9"):
        pass
