"""Cost of recording: an append for the sweep, database transactions per trial for MLflow."""

import tempfile
import time
from pathlib import Path

from sqlalchemy import event
from sqlalchemy.engine import Engine

from orchestrator.execution.job import EpochReport, Job
from orchestrator.search.outcome import Outcome
from orchestrator.tracking.mlflow_sink import MlflowSink
from orchestrator.tracking.recorder import SWEEP, Recorder
from orchestrator.tracking.spool import Spool
from orchestrator.tracking.uploader import SpoolUploader

_TRIALS, _EPOCHS = 40, 15


def main() -> None:
    commits = [0]
    event.listen(Engine, "commit", lambda connection: commits.__setitem__(0, commits[0] + 1))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        recorder = Recorder(Spool(folder / "spool"), folder / "trials")
        recorder.record("start", SWEEP, name="bench", params={}, tags={})
        began = time.perf_counter()
        for number in range(_TRIALS):
            job = Job("search", number, "text_hyper", None, {}, {}, 0, 0, False, params={"lr": 0.1, "depth": 2})
            recorder.on_job_start(job)
            for epoch in range(1, _EPOCHS + 1):
                metrics = dict.fromkeys(("val_srcc", "val_plcc", "val_krcc", "val_rmse", "train_loss", "lr"), 0.5)
                recorder.on_epoch(job, EpochReport(epoch, 0.5, metrics, 0.1, time.time()))
            recorder.on_job_end(job, Outcome.COMPLETE, {"best_val_srcc": 0.5}, None)
        spooled = time.perf_counter() - began
        sink = MlflowSink(f"sqlite:///{folder / 'mlflow.db'}", "bench", "bench", "bench")
        uploader = SpoolUploader(Spool(folder / "spool"), lambda: sink)
        before, began = commits[0], time.perf_counter()
        while uploader.send_batch():
            pass
        sent = time.perf_counter() - began
    print(f"spooling: {1e6 * spooled / (_TRIALS * (_EPOCHS + 4)):.0f} µs an event, in the sweep's thread")
    print(f"sending: {1000 * sent / _TRIALS:.0f} ms and {(commits[0] - before) / _TRIALS:.1f} commits a trial, off it")
