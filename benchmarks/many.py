"""Many small trials on the real Ray: driver time per result, and busy share of the slots.

The work is sleep, so slots of a quarter of a CPU are enough. By default 200 trials of at most 5 epochs of half a
second run, with halving, TPE, and MLflow on SQLite. `python -m benchmarks.many TRIALS SLOTS` runs other sizes.
"""

import json
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import ray

from benchmarks.mlflow_uploader import uploading
from benchmarks.slots import Clock, SleepingWorker
from benchmarks.stopwatch import Stopwatch, Timed
from orchestrator.cluster.session import ray_session
from orchestrator.execution.controller import SweepController
from orchestrator.execution.plan import Arm, Plan
from orchestrator.execution.slots import Slots
from orchestrator.execution.tune_runner import run_jobs
from orchestrator.search.journal_storage import open_journal
from orchestrator.search.ledger import Ledger
from orchestrator.search.pruners import build_pruner
from orchestrator.search.samplers import build_sampler
from orchestrator.search.space import load_space
from orchestrator.tracking.recorder import SWEEP, Recorder
from orchestrator.tracking.spool import Spool

_EPOCHS, _SECONDS, _CPUS = 5, 0.5, 0.25


class ShortWorker(SleepingWorker):
    """Epochs of half a second."""

    epochs, seconds = _EPOCHS, _SECONDS


def measure(trials: int, slots: int, folder: Path) -> dict[str, Any]:
    """Run a sweep of sleeping trials and return its figures."""
    watch, clock = Stopwatch(), Clock(_SECONDS)
    search = Ledger(open_journal(folder / "ledger"), "search", space := load_space("text_hyper"))
    search.set_sampler_and_pruner(
        cast(Any, Timed(build_sampler("tpe", 0), watch, "sampler")), build_pruner("halving", _EPOCHS)
    )
    confirm = Ledger(open_journal(folder / "confirm"), "confirm", None)
    recorder = Recorder(Spool(folder / "spool"), folder / "trials")
    recorder.record("start", SWEEP, name="many", params={}, tags={})
    uploader = uploading(folder / "spool", f"sqlite:///{folder / 'mlflow.db'}", "many")
    arm = Arm("search", "text_hyper", None, space, cast(Ledger, Timed(search, watch, "ledger")))
    callbacks = [Timed(recorder, watch, "recorder"), clock]
    controller = SweepController(
        Plan(trials, 0, 1, 0, _EPOCHS), [arm], confirm, cast(Any, callbacks), slots=Slots(slots)
    )
    began = time.thread_time()
    timed, nothing_to_train_on = Timed(controller, watch, "other"), SimpleNamespace(trials=folder / "trials")
    run_jobs(
        cast(SweepController, timed),
        cast(Any, nothing_to_train_on),
        folder / "tune",
        _CPUS,
        0,
        worker=ShortWorker,
    )
    thread = time.thread_time() - began
    assert search.terminal() == trials and controller.finished()
    left = uploader.close(600)
    return {
        "trials": trials,
        "slots": slots,
        "results": clock.epochs,
        "own_cpu_ms": round(1000 * sum(s for part, s in watch.cpu.items() if part != "sampler") / clock.epochs, 2),
        "sampler_cpu_ms": round(1000 * watch.cpu["sampler"] / clock.epochs, 2),
        "thread_cpu_ms_with_tunes": round(1000 * thread / clock.epochs, 2),
        "busy_share": round(clock.busy_share(slots), 3),
        "wall_s": round(clock.last - clock.began, 1),
        "events_left": left,
    }


def main(trials: int = 200, slots: int = 8) -> None:
    with tempfile.TemporaryDirectory() as name, ray_session(None, _CPUS, 0):
        print(json.dumps(measure(trials, slots, Path(name))), flush=True)
    assert not ray.is_initialized()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
