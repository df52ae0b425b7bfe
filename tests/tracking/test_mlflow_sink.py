"""The sink against the real MLflow: on SQLite, and on a server of its own."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from uuid import uuid4

import pytest
import requests
from mlflow import MlflowClient

from orchestrator.execution.job import Epoch, Job
from orchestrator.search.outcome import Outcome
from orchestrator.tracking.mlflow_sink import KEY_TAG, SWEEP_TAG, MlflowSink
from orchestrator.tracking.recorder import SWEEP, Recorder
from orchestrator.tracking.spool import Event, Spool


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """An SQLite database with MLflow's tables, which take seconds to make."""
    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    with contextlib.chdir(path.parent):
        MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture(scope="module")
def server(database, tmp_path_factory):
    """A tracking server on a free port of the loopback."""
    folder = tmp_path_factory.mktemp("server")
    shutil.copy(database, folder / "mlflow.db")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1", "--host", "127.0.0.1", "--port", str(port)]
    stores = ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", f"{folder}/artifacts"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, *stores],
            cwd=folder,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        )
    try:
        uri = f"http://127.0.0.1:{port}"
        for _ in range(240):
            assert process.poll() is None, (folder / "log").read_text()
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{uri}/health", timeout=2) as answer:
                if answer.status == 200:
                    break
            time.sleep(0.25)
        else:
            pytest.fail((folder / "log").read_text())
        yield uri
    finally:
        # The server's own process group: its worker would outlive it otherwise.
        os.killpg(process.pid, 15)
        process.wait(20)


@pytest.fixture(params=["sqlite", "server"])
def uri(request):
    if request.param == "sqlite":
        return f"sqlite:///{request.getfixturevalue('database')}"
    return request.getfixturevalue("server")


class Tracked:
    """A sweep's spool, and its sink in an experiment of its own."""

    def __init__(self, uri, folder):
        self.uri, self.folder = uri, folder
        self.client = MlflowClient(uri)
        self.experiment, self.sweep_id = f"made {uuid4().hex[:8]}", uuid4().hex[:8]
        self.spool = Spool(folder / "spool")
        self.recorder = Recorder(self.spool, folder / "trials")

    def sink(self):
        return MlflowSink(self.uri, self.experiment, self.sweep_id, source="test")

    def send_all(self):
        sink = self.sink()
        sink.send(self.spool.read(limit=10**6)[0])
        return sink

    def run(self, key):
        run = self.runs()[key]
        return self.client.get_run(run.info.run_id)

    def runs(self):
        experiment = self.client.get_experiment_by_name(self.experiment)
        runs = self.client.search_runs([experiment.experiment_id], max_results=1000)
        keyed = {run.data.tags[KEY_TAG]: run for run in runs}
        assert len(keyed) == len(runs), "a run is there twice"
        return keyed

    def curve(self, key, metric):
        points = self.client.get_metric_history(self.run(key).info.run_id, metric)
        return sorted((point.step, point.value, point.timestamp) for point in points)


@pytest.fixture
def tracked(uri, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # MLflow on SQLite writes artifacts into ./mlruns
    return Tracked(uri, tmp_path)


def job(number, study="search"):
    params = {"lr": 0.1 / (number + 1), "depth": 2, "width_1": 16, "width_2": 8, "rank": 2}
    return Job(study, number, "text_hyper", None, {}, {"epochs": 3}, 0, 7, False, params=params)


def record_sweep(recorder, trials=1):
    recorder.record("start", SWEEP, name="my sweep", params={"sampler": "tpe"}, tags={"host": "here"})
    recorder.record("tags", SWEEP, tags={"mlflow.note.content": "# what"})
    for number in range(trials):
        record_trial(recorder, job(number))
    recorder.record("metrics", SWEEP, step=0, metrics={"test_srcc": 0.5})
    recorder.record("end", SWEEP, status="FINISHED")


def record_trial(recorder, one, outcome=Outcome.COMPLETE, epochs=3, error=None):
    folder = recorder._trials / one.key
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "checkpoint.json").write_text("{}")
    (folder / "last-3.safetensors").write_bytes(b"x" * 10)
    recorder.started(one)
    for number in range(1, epochs + 1):
        metrics = {f"m{n}": number / 10 for n in range(8)} | {"val_srcc": number / 10}
        recorder.epoch(one, Epoch(number, number / 10, metrics, 1.0, 1.7e9 + number))
    recorder.ended(one, outcome, {"best_val_srcc": 0.3}, error)


def test_a_sweep_and_its_trials(tracked):
    record_sweep(tracked.recorder, trials=2)
    sink = tracked.send_all()
    runs = tracked.runs()
    assert set(runs) == {SWEEP, "trial-0000", "trial-0001"}
    sweep, trial = runs[SWEEP], runs["trial-0000"]
    assert (sweep.info.run_name, sweep.info.status, sweep.data.params) == ("my sweep", "FINISHED", {"sampler": "tpe"})
    assert sweep.data.metrics == {"test_srcc": 0.5} and sweep.data.tags["mlflow.note.content"] == "# what"
    assert (trial.info.run_name, trial.info.status) == ("trial 0", "FINISHED")
    assert trial.data.tags["mlflow.parentRunId"] == sweep.info.run_id == sink.run_id(SWEEP)
    assert trial.data.tags[SWEEP_TAG] == tracked.sweep_id and trial.data.tags["outcome"] == "complete"
    assert trial.data.tags["mlflow.source.name"] == "test" and trial.data.tags["seed"] == "7"
    assert trial.data.params == {"variant": "text_hyper", **{k: str(v) for k, v in job(0).params.items()}}
    assert tracked.curve("trial-0000", "val_srcc") == [(n, n / 10, int((1.7e9 + n) * 1000)) for n in (1, 2, 3)]
    assert trial.data.metrics["best_val_srcc"] == 0.3
    files = {file.path for file in tracked.client.list_artifacts(trial.info.run_id, "checkpoint")}
    assert files == {"checkpoint/checkpoint.json", "checkpoint/last-3.safetensors"}
    assert tracked.client.get_experiment(sink.experiment_id).tags["mlflow.experimentKind"] == "custom_model_development"


def test_the_same_events_twice_make_the_same_runs_and_points(tracked):
    record_sweep(tracked.recorder, trials=2)
    first = tracked.send_all()
    before = {key: (run.info.run_id, run.data.params, run.data.metrics) for key, run in tracked.runs().items()}
    curves = {metric: tracked.curve("trial-0001", metric) for metric in ("val_srcc", "m3", "best_val_srcc")}
    for sink in (first, tracked.sink()):  # the same process goes on, or another one does
        sink.send(tracked.spool.read()[0])
        after = {key: (run.info.run_id, run.data.params, run.data.metrics) for key, run in tracked.runs().items()}
        assert after == before
        assert {metric: tracked.curve("trial-0001", metric) for metric in curves} == curves
        assert all(run.info.status == "FINISHED" for run in tracked.runs().values())


def test_event_by_event_is_the_same_as_all_at_once(tracked):
    record_sweep(tracked.recorder, trials=1)
    for event in tracked.spool.read()[0]:
        tracked.sink().send([event])
    trial = tracked.runs()["trial-0000"]
    assert trial.info.status == "FINISHED" and len(tracked.curve("trial-0000", "m1")) == 3
    assert trial.data.tags["outcome"] == "complete"


@pytest.mark.parametrize("outcome", Outcome)
def test_status_and_tag_of_every_outcome(tracked, outcome):
    tracked.recorder.record("start", SWEEP, name="s", params={}, tags={})
    error = "Traceback …\n" * 2000 if outcome is Outcome.FAILED else None
    record_trial(tracked.recorder, job(0), outcome, error=error)
    tracked.send_all()
    run = tracked.runs()["trial-0000"]
    assert run.data.tags["outcome"] == str(outcome)
    assert run.info.status == ("FINISHED" if outcome in {Outcome.COMPLETE, Outcome.PRUNED} else "FAILED")
    assert run.data.tags.get("error", "").startswith("Traceback") == (outcome is Outcome.FAILED)


def test_an_interrupted_trial_goes_on_in_the_same_run(tracked):
    recorder = tracked.recorder
    recorder.record("start", SWEEP, name="s", params={}, tags={})
    recorder.started(job(0))
    recorder.epoch(job(0), Epoch(1, 0.1, {"val_srcc": 0.1}, 1.0, 1.7e9 + 1))
    recorder.interrupted(job(0))
    recorder.record("end", SWEEP, status="KILLED")
    tracked.send_all()
    before = tracked.runs()
    assert {run.info.status for run in before.values()} == {"KILLED"}
    sent = len(tracked.spool.read()[0])
    recorder.record("start", SWEEP, name="s", params={}, tags={})
    recorder.started(job(0))
    sink = tracked.sink()
    sink.send(tracked.spool.read()[0][sent:])
    assert {run.info.status for run in tracked.runs().values()} == {"RUNNING"}
    sent = len(tracked.spool.read()[0])
    recorder.epoch(job(0), Epoch(2, 0.2, {"val_srcc": 0.2}, 1.0, 1.7e9 + 2))
    recorder.ended(job(0), Outcome.COMPLETE, {}, None)
    sink.send(tracked.spool.read()[0][sent:])
    run = tracked.runs()["trial-0000"]
    assert run.info.run_id == before["trial-0000"].info.run_id and run.info.status == "FINISHED"
    assert run.data.tags["outcome"] == "complete"
    assert [value for _, value, _ in tracked.curve("trial-0000", "val_srcc")] == [0.1, 0.2]


def test_a_sweep_may_go_on_with_other_settings_of_where_and_how_fast(tracked):
    """MLflow never lets a parameter change; an event that it refuses for good must not hold up the rest."""
    for concurrency in (1, 2):
        params = {"sampler": "tpe", "concurrency": concurrency, **({"new": 3} if concurrency == 2 else {})}
        tracked.recorder.record("start", SWEEP, name="s", params=params, tags={})
        tracked.recorder.record("metrics", SWEEP, step=concurrency, metrics={"a": 0.5})
        tracked.send_all()
    assert tracked.runs()[SWEEP].data.params == {"sampler": "tpe", "concurrency": "1", "new": "3"}
    assert [step for step, _, _ in tracked.curve(SWEEP, "a")] == [1, 2]


def test_names_that_mlflow_does_not_allow(tracked):
    """Targets are columns of anybody's CSV."""
    tracked.recorder.record("start", SWEEP, name="s", params={"a (%)": 1}, tags={"b (%)": 2})
    tracked.recorder.record("metrics", SWEEP, step=1, metrics={"val_srcc_aesthetic (0–5)": 0.5, "val_srcc": 0.4})
    tracked.send_all()
    run = tracked.runs()[SWEEP]
    assert run.data.metrics == {"val_srcc_aesthetic _0_5_": 0.5, "val_srcc": 0.4}
    assert run.data.params == {"a ___": "1"} and run.data.tags["b ___"] == "2"


def test_more_points_parameters_and_characters_than_one_request_takes(tracked):
    params = {f"p{n}": "v" * 7000 for n in range(250)}
    tracked.recorder.record("start", SWEEP, name="s", params=params, tags={f"t{n}": "v" * 9000 for n in range(150)})
    for step in range(500):
        tracked.recorder.record(
            "metrics", SWEEP, time_ms=1000 + step, step=step, metrics={f"m{n}": 1 for n in range(5)}
        )
    tracked.send_all()
    run = tracked.runs()[SWEEP]
    assert len(run.data.params) == 250 and {len(v) for v in run.data.params.values()} == {6000}
    assert len([tag for tag in run.data.tags if tag.startswith("t")]) == 150
    assert len(tracked.curve(SWEEP, "m4")) == 500


def test_the_data_set_is_an_input_of_the_run(tracked):
    tracked.recorder.record("start", SWEEP, name="s", params={}, tags={})
    data = {
        "name": "shapes",
        "digest": "d" * 64,
        "rows": 96,
        "source": "shapes",
        "columns": [["image", "string"], ["alignment", "double"]],
        "split": {"protocol": "disjoint", "train": 60, "validation": 18, "test": 18, "quarantined": 0},
    }
    tracked.recorder.record("dataset", SWEEP, **data)
    tracked.send_all()
    tracked.send_all()
    (found,) = tracked.run(SWEEP).inputs.dataset_inputs
    assert (found.dataset.name, found.dataset.digest) == ("shapes", "d" * 32)
    assert json.loads(found.dataset.profile) == {"num_rows": 96, **data["split"]}
    assert json.loads(found.dataset.schema)["mlflow_colspec"][1]["name"] == "alignment"


def test_a_second_data_set_is_an_input_for_testing(tracked):
    tracked.recorder.record("start", SWEEP, name="s", params={}, tags={})
    data = {"name": "shapes", "digest": "d" * 64, "rows": 96, "source": "shapes", "columns": [], "split": {}}
    tracked.recorder.record("dataset", SWEEP, **data)
    tracked.recorder.record("dataset", SWEEP, **data | {"name": "other", "digest": "e" * 64, "context": "testing"})
    tracked.send_all()
    inputs = tracked.run(SWEEP).inputs.dataset_inputs
    contexts = {found.dataset.name: found.tags[0].value for found in inputs}
    assert contexts == {"shapes": "training", "other": "testing"}


def test_files_and_folders_and_what_is_gone(tracked, tmp_path):
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "result.md").write_text("# fine")
    (tmp_path / "spec.yaml").write_text("a: 1")
    tracked.recorder.record("start", SWEEP, name="s", params={}, tags={})
    for path, into in (("report", "report"), ("gone", "report"), ("spec.yaml", "sweep")):
        tracked.recorder.record("artifacts", SWEEP, path=str(tmp_path / path), into=into)
    tracked.recorder.record("end", SWEEP, status="FINISHED")
    tracked.send_all()
    run = tracked.run(SWEEP)
    assert run.info.status == "FINISHED"
    local = Path(tracked.client.download_artifacts(run.info.run_id, "report/result.md", str(tmp_path)))
    assert local.read_text() == "# fine"
    assert [f.path for f in tracked.client.list_artifacts(run.info.run_id, "sweep")] == ["sweep/spec.yaml"]


def test_two_sweeps_share_an_experiment_and_not_their_runs(tracked):
    record_sweep(tracked.recorder)
    sink = tracked.send_all()
    other = MlflowSink(tracked.uri, tracked.experiment, "other", source="test")
    assert other.experiment_id == sink.experiment_id and other.run_id(SWEEP) is None
    other.send(tracked.spool.read()[0])
    assert other.run_id("trial-0000") != sink.run_id("trial-0000") == tracked.sink().run_id("trial-0000")


def test_a_deleted_experiment_comes_back(tracked):
    experiment = tracked.client.create_experiment(tracked.experiment)
    tracked.client.delete_experiment(experiment)
    tracked.recorder.record("start", SWEEP, name="s", params={}, tags={})
    assert tracked.send_all().experiment_id == experiment and SWEEP in tracked.runs()


def test_a_model_is_logged_once_in_the_experiment_of_its_run(tracked, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.json").write_text('{"made": "up"}')
    recorder = tracked.recorder
    recorder.record("start", SWEEP, name="s", params={"sampler": "tpe"}, tags={})
    for path in ("model", "gone"):
        recorder.record("model", SWEEP, path=str(tmp_path / path), name="text_hyper-trial-0", targets=["alignment"])
    sink = tracked.send_all()
    tracked.send_all()
    (model,) = tracked.client.search_logged_models([sink.experiment_id])
    assert (model.name, model.source_run_id, str(model.status)) == ("text_hyper-trial-0", sink.run_id(SWEEP), "READY")
    assert model.params == {"sampler": "tpe"}
    (output,) = tracked.run(SWEEP).outputs.model_outputs
    assert output.model_id == model.model_id


def test_a_model_whose_logging_was_killed_is_logged_to_its_end(tracked, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.json").write_text("{}")
    tracked.recorder.record("start", SWEEP, name="s", params={}, tags={})
    sink = tracked.send_all()
    begun = tracked.client.create_logged_model(sink.experiment_id, "m", sink.run_id(SWEEP))
    tracked.recorder.record("model", SWEEP, path=str(tmp_path / "model"), name="m", targets=["alignment"])
    tracked.send_all()
    (model,) = tracked.client.search_logged_models([sink.experiment_id])
    assert model.model_id == begun.model_id and str(model.status) == "READY"


def test_requests_a_trial(server, tmp_path, monkeypatch, record_property):
    """The stock recipe needed about 125 a trial."""
    tracked, sent = Tracked(server, tmp_path), []
    send = requests.Session.send
    monkeypatch.setattr(requests.Session, "send", lambda *a, **k: (sent.append(a[1].url), send(*a, **k))[1])
    trials, epochs = 8, 15
    tracked.recorder.record("start", SWEEP, name="s", params={}, tags={})
    sink = tracked.sink()
    sink.send(tracked.spool.read()[0])
    before, place = len(sent), 1
    for number in range(trials):
        record_trial(tracked.recorder, job(number), epochs=epochs)
        # As a drain that wakes four times while a trial trains.
        events = tracked.spool.read(limit=10**6)[0][place:]
        place += len(events)
        quarter = -(-len(events) // 4)
        for start in range(0, len(events), quarter):
            sink.send(events[start : start + quarter])
    each = (len(sent) - before) / trials
    record_property("requests_a_trial", each)
    print(
        f"\n{each:.1f} requests a trial of {epochs} epochs, of which artifacts take "
        f"{sum('mlflow-artifacts' in url for url in sent) / trials:.1f}"
    )
    assert each < 15
    assert len(tracked.curve("trial-0003", "val_srcc")) == epochs


def test_an_event_of_an_unknown_run_is_an_error(tracked):
    with pytest.raises(KeyError):
        tracked.sink().send([Event("metrics", "trial-0009", {"step": 1, "metrics": {"a": 1}})])
