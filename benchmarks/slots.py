"""Busy share of the trial slots: this project next to the stock recipe, on equal work, one after the other.

The work is sleep, so the executor is measured. It is 24 trials of at most 6 epochs of 0.3 s on two slots, both with
halving and with MLflow on SQLite. Busy share: seconds slept over slots times wall time from the first trial's
start to the last one's end.
"""

import random
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import ray
from ray import tune

from benchmarks.mlflow_uploader import uploading
from orchestrator.cluster.session import ray_session
from orchestrator.execution.controller import SweepController
from orchestrator.execution.job import EpochReport, Job
from orchestrator.execution.plan import Arm, Plan
from orchestrator.execution.slots import Slots
from orchestrator.execution.trainable import JobTrainable
from orchestrator.execution.tune_runner import run_jobs
from orchestrator.search.journal_storage import open_journal
from orchestrator.search.ledger import Ledger
from orchestrator.search.pruners import build_pruner
from orchestrator.search.samplers import build_sampler
from orchestrator.search.space import load_space
from orchestrator.tracking.recorder import SWEEP, Recorder
from orchestrator.tracking.spool import Spool

_TRIALS, _EPOCHS, _SECONDS, _SLOTS = 24, 6, 0.3, 2


class SleepingWorker(JobTrainable):
    """Trainable that sleeps instead of training."""

    epochs, seconds = _EPOCHS, _SECONDS

    def step(self):
        self._epoch = getattr(self, "_epoch", 0) + 1 if getattr(self, "_number", None) == self._job.number else 1
        self._number = self._job.number
        time.sleep(self.seconds)
        value = random.Random(self._job.number).random() * self._epoch
        epoch = {"number": self._epoch, "objective": value, "metrics": {"val_srcc": value}, "seconds": self.seconds}
        message = {"epochs": [{**epoch, "time": time.time()}]}
        done = self._epoch == self.epochs
        return {"message": [message | ({"outcome": "complete", "final": {}} if done else {})], "done": done}


class Clock:
    """Callback that records the first start, the last end and the epochs with their seconds."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.began = self.last = None
        self.epochs = 0

    def busy_share(self, slots: int) -> float:
        return self.epochs * self.seconds / (slots * (self.last - self.began))

    def on_job_start(self, job: Job) -> None:
        pass

    def on_epoch(self, job: Job, epoch: EpochReport) -> None:
        self.began = self.began or time.monotonic() - self.seconds
        self.last = time.monotonic()
        self.epochs += 1

    def on_job_end(self, job, outcome, final, error) -> None:
        pass

    def on_job_interrupted(self, job: Job) -> None:
        pass


def own(folder: Path) -> float:
    ledger = Ledger(open_journal(folder / "ledger"), "search", load_space("text_hyper"))
    ledger.set_sampler_and_pruner(build_sampler("tpe", 0), build_pruner("halving", _EPOCHS))
    confirm = Ledger(open_journal(folder / "confirm"), "confirm", None)
    recorder, clock = Recorder(Spool(folder / "spool"), folder / "trials"), Clock(_SECONDS)
    recorder.record("start", SWEEP, name="bench", params={}, tags={})
    uploader = uploading(folder / "spool", f"sqlite:///{folder / 'own.db'}", "bench")
    arm = Arm("search", "text_hyper", None, load_space("text_hyper"), ledger)
    controller = SweepController(
        Plan(_TRIALS, 0, 1, 0, _EPOCHS), [arm], confirm, [recorder, clock], slots=Slots(_SLOTS)
    )
    nothing_to_train_on = SimpleNamespace(trials=folder / "trials")
    run_jobs(controller, nothing_to_train_on, folder / "tune", 1, 0, worker=SleepingWorker)
    uploader.close(60)
    return clock.busy_share(_SLOTS)


def stock(folder: Path) -> float:
    from optuna.samplers import TPESampler
    from ray.air.integrations.mlflow import MLflowLoggerCallback
    from ray.tune.schedulers import ASHAScheduler
    from ray.tune.search.optuna import OptunaSearch

    log = folder / "epochs"

    def train(config):
        for epoch in range(1, _EPOCHS + 1):
            time.sleep(_SECONDS)
            with log.open("a", encoding="utf-8") as file:
                file.write(f"{time.time()}\n")
            tune.report({"val_srcc": config["x"] * epoch})

    tuner = tune.Tuner(
        tune.with_resources(train, {"cpu": 1}),
        param_space={"x": tune.uniform(0, 1)},
        tune_config=tune.TuneConfig(
            metric="val_srcc",
            mode="max",
            num_samples=_TRIALS,
            search_alg=OptunaSearch(sampler=TPESampler(seed=0)),
            scheduler=ASHAScheduler(max_t=_EPOCHS, grace_period=1, reduction_factor=3),
        ),
        run_config=tune.RunConfig(
            storage_path=str(folder / "stock"),
            verbose=0,
            callbacks=[MLflowLoggerCallback(f"sqlite:///{folder / 'stock.db'}", experiment_name="bench")],
        ),
    )
    tuner.fit()
    times = [float(line) for line in log.read_text(encoding="utf-8").splitlines()]
    return len(times) * _SECONDS / (_SLOTS * (max(times) - min(times) + _SECONDS))


def main() -> None:
    with tempfile.TemporaryDirectory() as name, ray_session(None, 1, 0):
        folder = Path(name)
        mine = own(folder)
        theirs = stock(folder)
        print(f"busy share of {_SLOTS} slots: {mine:.2f}; the stock recipe: {theirs:.2f} ({mine / theirs:.1f} times)")
    assert not ray.is_initialized()
