"""A sweep's spool with its MLflow: a database, a server that can be killed and restarted, or one in memory."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass, field
from uuid import uuid4

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from orchestrator.execution.job import EpochReport, Job
from orchestrator.search.outcome import Outcome
from orchestrator.tracking.mlflow_sink import KEY_TAG, MlflowSink
from orchestrator.tracking.recorder import SWEEP, Recorder
from orchestrator.tracking.spool import Spool
from orchestrator.tracking.uploader import SpoolUploader


class Server:
    """A tracking server on a port of the loopback, with its artifacts in a folder, and its database unless another."""

    def __init__(self, folder, database=None):
        self.folder, self.database = folder, database or f"sqlite:///{folder}/mlflow.db"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.uri = f"http://127.0.0.1:{self.port}"
        self.process = None

    def start(self):
        address = ["--workers", "1", "--host", "127.0.0.1", "--port", str(self.port)]
        stores = ["--backend-store-uri", self.database]
        stores += ["--artifacts-destination", f"{self.folder}/artifacts"]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "mlflow", "server", *address, *stores],
                cwd=self.folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            )
        for _ in range(480):
            assert self.process.poll() is None, (self.folder / "log").read_text(encoding="utf-8")
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.uri}/health", timeout=2) as answer:
                if answer.status == 200:
                    return self
            time.sleep(0.25)
        raise AssertionError((self.folder / "log").read_text(encoding="utf-8"))

    def kill(self, number=signal.SIGKILL):
        """Kill the server's process group, since its worker would outlive it otherwise."""
        os.killpg(self.process.pid, number)
        self.process.wait(30)


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

    def uploader(self):
        return SpoolUploader(self.spool, self.sink, interval=0.02)

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

    def shown(self):
        return {
            key: {
                "status": run.info.status,
                "params": run.data.params,
                "tags": {name: value for name, value in run.data.tags.items() if name in {"outcome", "seed", "notes"}},
                "curves": {name: self.curve(key, name) for name in run.data.metrics},
            }
            for key, run in self.runs().items()
        }


@dataclass
class MemoryMlflow:
    """Runs in memory, as MLflow would show them; it can lose answers or be unavailable."""

    runs: list = field(default_factory=list)
    away: bool = False
    lose_answers: int = 0


class MemorySink:
    """A sink on a `MemoryMlflow`, which finds runs by key when it is opened, as the real one does."""

    def __init__(self, mlflow):
        self._mlflow = mlflow
        self._answer()
        self._runs = {run["key"]: run for run in mlflow.runs}

    def _answer(self):
        if self._mlflow.away:
            raise ConnectionError("away")

    def send(self, events):
        for event in events:
            self._answer()
            if event.run not in self._runs:
                run = {"key": event.run, "status": "RUNNING", "params": {}, "tags": {}, "points": set()}
                self._mlflow.runs.append(run)
                if self._mlflow.lose_answers:
                    self._mlflow.lose_answers -= 1
                    raise ConnectionError("the answer was lost")
                self._runs[event.run] = run
            run = self._runs[event.run]
            for name, value in event.data.get("params", {}).items():
                run["params"].setdefault(name, str(value))
            run["tags"].update({name: str(value) for name, value in event.data.get("tags", {}).items()})
            for name, value in event.data.get("metrics", {}).items():
                step, points = event.data["step"], run["points"]
                known = any(p[:2] == (name, step) and (step or p[2] == value) for p in points)
                if not (known and event.data.get("retold")):
                    points.add((name, step, value, event.time))
            if event.kind in {"start", "end"}:
                run["status"] = event.data.get("status", "RUNNING")


class MemoryTracked(Tracked):
    """A sweep's spool, and its sink on a `MemoryMlflow`."""

    def __init__(self, folder):
        self.folder, self.mlflow = folder, MemoryMlflow()
        self.spool = Spool(folder / "spool")
        self.recorder = Recorder(self.spool, folder / "trials")

    def sink(self):
        return MemorySink(self.mlflow)

    def shown(self):
        keyed = {run["key"]: run for run in self.mlflow.runs}
        assert len(keyed) == len(self.mlflow.runs), "a run is there twice"
        return {
            key: {
                "status": run["status"],
                "params": run["params"],
                "tags": {name: value for name, value in run["tags"].items() if name in {"outcome", "seed", "notes"}},
                "curves": {
                    name: sorted(point[1:] for point in run["points"] if point[0] == name)
                    for name in {point[0] for point in run["points"]}
                },
            }
            for key, run in keyed.items()
        }

    @contextlib.contextmanager
    def answers_lost(self, times):
        self.mlflow.lose_answers = times
        yield
        assert not self.mlflow.lose_answers


@contextlib.contextmanager
def lost_answers(monkeypatch, times):
    """Drop the answers to the first requests that create a run."""
    create, left = MlflowClient.create_run, [times]

    def lose(*args, **kwargs):
        made = create(*args, **kwargs)
        if left[0]:
            left[0] -= 1
            raise MlflowException("the answer was lost")
        return made

    monkeypatch.setattr(MlflowClient, "create_run", lose)
    yield
    assert not left[0]


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
    (folder / "checkpoint.json").write_text("{}", encoding="utf-8")
    (folder / "best-3.safetensors").write_bytes(b"x" * 10)
    (folder / "last-3.safetensors").write_bytes(b"x" * 10)
    recorder.on_job_start(one)
    for number in range(1, epochs + 1):
        record_epoch(recorder, one, number)
    recorder.on_job_end(one, outcome, {"best_val_srcc": 0.3}, error)


def record_epoch(recorder, one, number):
    metrics = {f"m{n}": number / 10 for n in range(8)} | {"val_srcc": number / 10}
    recorder.on_epoch(one, EpochReport(number, number / 10, metrics, 1.0, 1.7e9 + number))


def wait_for(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the condition never held"
        time.sleep(0.01)
