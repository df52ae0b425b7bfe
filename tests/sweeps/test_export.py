"""A sweep as something to give away."""

import json
import tarfile
import zipfile

import pandas as pd
import pytest
import yaml

from orchestrator.core.errors import InputError
from orchestrator.sweeps.export import export_sweep

FILES = {
    "README.md",
    "spec.yaml",
    "space.yaml",
    "splits/split_00.json",
    "ledger.journal",
    "trials.csv",
    "epochs.csv",
    "result.json",
    "report/result.md",
    "predictions/confirm-0001.csv",
    "models/best/model.json",
}


def test_a_folder_a_zip_and_a_tar_hold_the_same(make, tmp_path):
    workspace = make("mine", trials=3, finished=True)
    folder = export_sweep(workspace, tmp_path / "a" / "mine")
    with zipfile.ZipFile(export_sweep(workspace, tmp_path / "mine.zip")) as file:
        zipped = {name for name in file.namelist() if not name.endswith("/")}
    with tarfile.open(export_sweep(workspace, tmp_path / "mine.tar.gz")) as file:
        packed = {member.name for member in file if member.isfile()}
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert there == FILES and zipped == packed == {f"mine/{name}" for name in FILES}
    assert {path.name for path in tmp_path.iterdir()} == {"sweeps", "a", "mine.zip", "mine.tar.gz"}


def test_the_tables_are_the_ledger(make, tmp_path):
    folder = export_sweep(make("mine", trials=3), tmp_path / "mine")
    trials, epochs = pd.read_csv(folder / "trials.csv"), pd.read_csv(folder / "epochs.csv")
    assert list(trials["number"]) == [0, 1, 2] and list(trials["outcome"].fillna("")) == ["complete", "complete", ""]
    assert {"lr", "rank", "depth"} <= set(trials) and list(epochs["objective"]) == pytest.approx([0.1, 0.2, 0.3])
    assert not (folder / "result.json").exists() and "not finished" in (folder / "README.md").read_text(
        encoding="utf-8"
    )


def test_no_place_of_this_machine_and_no_password_goes_along(make, tmp_path):
    settings = {
        "tracking_uri": "https://ann:s3cret@mlflow.example",
        "data_root": tmp_path / "private",
        "dataset": f"csv:{tmp_path}/ratings.csv",
        "warm_start": (str(tmp_path / "sweeps" / "before"),),
    }
    folder = export_sweep(make("mine", trials=3, finished=True, **settings), tmp_path / "mine")
    texts = [
        path.read_text(encoding="utf-8")
        for path in folder.rglob("*")
        if path.suffix in {".yaml", ".json", ".md", ".csv"}
    ]
    assert not [text for text in texts if str(tmp_path) in text or "s3cret" in text]
    spec = yaml.safe_load((folder / "spec.yaml").read_text(encoding="utf-8"))
    assert (spec["data_root"], spec["dataset"], spec["warm_start"]) == ("private", "csv:ratings.csv", ["before"])
    assert spec["tracking_uri"] == "https://mlflow.example"
    assert (
        json.loads((folder / "result.json").read_text(encoding="utf-8"))["mlflow"]["tracking_uri"]
        == "sqlite:///mlflow.db"
    )


def test_what_is_there_is_not_overwritten(make, tmp_path):
    (tmp_path / "mine.zip").write_text("precious", encoding="utf-8")
    with pytest.raises(InputError, match="is there already"):
        export_sweep(make("mine"), tmp_path / "mine.zip")
    assert (tmp_path / "mine.zip").read_text(encoding="utf-8") == "precious"
