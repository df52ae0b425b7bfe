"""Model of a confirm run: its files, its predictions, its run in MLflow and its registered version."""

import contextlib
import json
import logging
import warnings
from dataclasses import dataclass
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from mlflow import MlflowClient

from orchestrator.core.spec import SweepSpec
from orchestrator.scoring import Scorer, load_scorer
from orchestrator.tracking.mlflow_model import log_model
from orchestrator.tracking.model_digest import folder_digest
from tests.scoring.made_model import QUANTILES, save_images, save_model


@dataclass(frozen=True)
class Made:
    """Paths and ids of the model.

    Attributes:
        folder: folder with `model/`, `images/`, `ratings.csv` and `predictions.csv`.
        uri: tracking URI of MLflow.
        run_id: id of the confirm run, which logged the model.
        output: terminal output and warnings during logging.
        scorer: scorer of `model/`, for the expected scores.
    """

    folder: Path
    uri: str
    run_id: str
    output: str
    scorer: Scorer

    @property
    def client(self):
        return MlflowClient(self.uri)

    @property
    def model(self):
        return self.folder / "model"

    @property
    def images(self):
        return sorted((self.folder / "images").iterdir())

    def artifact(self, into):
        """Copy the logged model's files to `into` and return their folder; without it MLflow returns the originals."""
        uri = self.client.get_model_version("text_hyper", "1").source
        into.mkdir(parents=True, exist_ok=True)
        return Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=str(into), tracking_uri=self.uri))


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("used")
    save_model(folder / "model")
    images = save_images(folder / "images", 10)
    rows = pd.DataFrame({"image": [f"images/{path.name}" for path in images], "prompt": "007", "alignment": range(10)})
    rows.to_csv(folder / "ratings.csv", index=False)
    scorer = load_scorer(folder / "model")
    predicted = scorer(images, "007")["alignment"]
    table = rows.rename(columns={"image": "name"}).assign(part="test", predicted_alignment=predicted)
    table.loc[:1, "part"] = "validation"
    table.to_csv(folder / "predictions.csv", index=False)
    uri = f"sqlite:///{folder}/mlflow.db"
    with contextlib.chdir(folder):
        run_id, output = _logged(folder, uri)
    return Made(folder, uri, run_id, output, scorer)


@pytest.fixture(autouse=True)
def made_is_the_default_mlflow(request, monkeypatch):
    """Make MLflow's default URI that of `made`: MLflow looks up a logged model, the source of a version, there."""
    if "made" in request.fixturenames:
        mlflow.set_tracking_uri(request.getfixturevalue("made").uri)
        monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def _logged(folder, uri):
    client = MlflowClient(uri)
    experiment = client.create_experiment("made", artifact_location=f"file://{folder}/mlruns")
    spec = SweepSpec(name="made", variant="text_hyper", dataset="csv:ratings.csv")
    run = client.create_run(
        experiment, tags={"spec": spec.model_dump_json(), "data_hash": "abc", "run_key": "confirm-0"}
    )
    run_id = run.info.run_id
    client.log_artifact(run_id, str(folder / "predictions.csv"), "checkpoint")
    handler = logging.StreamHandler(output := _Output())
    handler.setLevel(logging.WARNING)
    logging.getLogger().addHandler(handler)
    # pytest captures warnings, so they would not be printed.
    recorded = warnings.catch_warnings(record=True)
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output), recorded as warned:
        warnings.simplefilter("always", UserWarning)
        log_model(client, run_id, experiment, {"path": str(folder / "model"), "name": "m", "targets": ["alignment"]})
    logging.getLogger().removeHandler(handler)
    (logged,) = client.search_logged_models([experiment])
    client.create_registered_model("text_hyper")
    version = client.create_model_version("text_hyper", f"models:/{logged.model_id}", run_id, model_id=logged.model_id)
    client.set_model_version_tag("text_hyper", version.version, "sha256", folder_digest(folder / "model"))
    client.set_model_version_tag("text_hyper", version.version, "mos_quantiles", json.dumps(QUANTILES))
    client.set_registered_model_alias("text_hyper", "champion", version.version)
    messages = [f"{warning.message}\n" for warning in warned if warning.category is UserWarning]
    return run_id, output.text + "".join(messages)


class _Output:
    text = ""

    def write(self, text):
        self.text += text

    def flush(self):
        pass

    def isatty(self):
        return False
