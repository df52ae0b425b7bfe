"""The destination of a sweep's events, at its start and at later resumes."""

from pathlib import Path

import pytest

from orchestrator.core.errors import InputError
from orchestrator.core.spec import SweepSpec
from orchestrator.tracking.destination import choose_destination, resolve_existing_tracking_uri, stored_destination
from orchestrator.tracking.recorder import Recorder
from orchestrator.tracking.spool import Event, Spool


@pytest.fixture
def spool(tmp_path):
    return Spool(tmp_path / "spool")


def uri(spool, **settings):
    return choose_destination(SweepSpec(name="mine", id="abc", **settings), spool).tracking_uri


def test_a_resume_keeps_the_destination_in_another_folder_and_shell(spool, elsewhere, tmp_path, monkeypatch):
    first = uri(spool)
    assert first == f"sqlite:///{elsewhere / 'mlflow.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://other")
    monkeypatch.chdir(tmp_path)
    assert uri(spool) == first
    target = stored_destination(Spool(spool.folder))
    assert (target.tracking_uri, target.sweep_id) == (first, "abc")


def test_the_environment_counts_the_first_time_and_an_option_always(spool, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://environment")
    assert uri(spool) == "http://environment"
    assert uri(spool, tracking_uri="http://given") == "http://given"
    assert uri(spool) == "http://given"


def test_a_later_option_overrides_the_one_in_the_spec(spool):
    assert uri(spool, tracking_uri="http://first") == "http://first"
    assert uri(spool, tracking_uri="http://second") == "http://second"
    assert uri(spool, tracking_uri="http://first") == "http://second"  # as the saved spec says when none is given


def test_another_mlflow_gets_all_events(spool):
    uri(spool)
    spool.append(Event("end", "sweep", {"status": "FINISHED"}))
    spool.mark_sent(spool.read()[1])
    assert uri(spool) and spool.count_unsent() == 0
    uri(spool, tracking_uri="http://new")
    assert spool.count_unsent() == 1


def test_another_mlflow_gets_the_files_again(spool, tmp_path):
    folder = tmp_path / "trials" / "confirm-0001"
    (folder / "model").mkdir(parents=True)
    for name in ("best-2.safetensors", "last-2.safetensors", "model/model.json"):
        (folder / name).write_text(name, encoding="utf-8")
    uri(spool)
    recorder = Recorder(spool, tmp_path / "trials")
    recorder.upload("confirm-0001", [folder / "best-2.safetensors"], "checkpoint")
    recorder.log_model("confirm-0001", folder / "model", name="it")
    recorder.upload("gone-0000", [folder / "best-2.safetensors"], "checkpoint")
    events, place = spool.read()
    spool.mark_sent(place)
    spool.release(events)
    uri(spool, tracking_uri="http://new")
    checkpoint, model, gone = [Path(event.data["path"]) for event in spool.read()[0]]
    assert [path.name for path in checkpoint.iterdir()] == ["best-2.safetensors"]
    assert model.name == "model" and (model / "model.json").read_text(encoding="utf-8") == "model/model.json"
    assert not gone.exists()


@pytest.mark.parametrize("content", ["", "{", "{}", "[]", '{"tracking_uri": 1}'])
def test_an_unreadable_destination_counts_as_missing(spool, content):
    spool.folder.mkdir()
    (spool.folder / "target.json").write_text(content, encoding="utf-8")
    assert stored_destination(spool) is None and uri(spool)


def test_a_command_that_only_reads_makes_no_database(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="There is no MLflow database .*mlflow.db: run a sweep"):
        resolve_existing_tracking_uri(None)
    with pytest.raises(InputError, match="no MLflow database"):
        resolve_existing_tracking_uri("sqlite:///absent/x.db")
    assert not any(tmp_path.iterdir())
    with pytest.raises(InputError, match="^MLflow's database .*127.0.0.1"):
        resolve_existing_tracking_uri("postgresql://127.0.0.1:1/x")
