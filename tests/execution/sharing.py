"""Sweep of sleeping jobs on a shared cluster: `python -m tests.execution.sharing ADDRESS FOLDER PRIORITY TRIALS`."""

import os
import sys
import time
from pathlib import Path

from orchestrator.cluster.session import ray_session
from orchestrator.core.spec import build_spec
from orchestrator.core.sweep_folder import Workspace
from orchestrator.execution import sweep_heartbeat
from orchestrator.execution.job import EpochReport, Job
from orchestrator.execution.plan import Plan
from orchestrator.execution.progress import SweepProgress
from orchestrator.execution.slots import Slots
from orchestrator.execution.sweep_slot_sharing import SlotSharing
from orchestrator.execution.trainable import JobTrainable
from orchestrator.execution.tune_runner import run_jobs
from tests.execution.contexts import make_sweep_context
from tests.execution.fakes import FakeSweep

SECONDS = 0.1
"""Seconds of an epoch."""

_MANY = 100_000


class SleepingTrainable(JobTrainable):
    """Trainable that sleeps, resumes an interrupted job, and ends it once its number is less than that in `below`."""

    def step(self):
        path = self._context.trials / f"{self._job.key}.epochs"
        number = int(path.read_text(encoding="utf-8")) + 1 if path.exists() else 1
        time.sleep(SECONDS)
        path.write_text(str(number), encoding="utf-8")
        epoch = {"number": number, "objective": 0.5, "metrics": {"val_srcc": 0.5}, "seconds": SECONDS}
        message = {"epochs": [{**epoch, "time": time.time(), "diverged": False}]}
        below = self._context.trials / "below"
        done = below.exists() and self._job.number < int(below.read_text(encoding="utf-8"))
        message["notes"] = [f"process {os.getpid()}"]
        return {"message": [message | ({"outcome": "complete", "final": {}} if done else {})], "done": done}


class CallLog:
    """Callback that writes every call to a file at once, one on each line."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", buffering=1, encoding="utf-8")

    def _write(self, *words: object) -> None:
        print(*words, round(time.time(), 2), file=self._file)

    def on_job_start(self, job: Job) -> None:
        self._write("started", job.key)

    def on_epoch(self, job: Job, epoch: EpochReport) -> None:
        self._write("epoch", job.key, epoch.number)

    def on_job_end(self, job: Job, outcome: object, final: object, error: object) -> None:
        self._write("ended", job.key, outcome)

    def on_message(self, job: Job, note: str) -> None:
        self._write("noted", job.key, note)

    def on_job_interrupted(self, job: Job) -> None:
        self._write("interrupted", job.key)


def main(address: str, folder: Path, priority: float, trials: int) -> None:
    sweep_heartbeat.INTERVAL = 1.0
    sweep_heartbeat.register = lambda: folder / "register"
    spec = build_spec({"name": folder.name, "priority": priority})
    workspace = Workspace(folder)
    plan = Plan(trials=trials, confirm=0, splits=1, seed=0, epochs=_MANY)
    with ray_session(address, 1, 0) as count:
        import ray

        slots = Slots(count)
        progress = SweepProgress(budget=trials, epochs=_MANY, slots=slots)
        publisher = sweep_heartbeat.HeartbeatPublisher(spec, workspace, progress, slots, shared=True)
        sweep = FakeSweep(plan, control=False, slots=slots)
        controller = sweep.controller(progress, CallLog(folder / "diary"))
        sharing = SlotSharing(
            spec,
            slots,
            progress,
            lambda excluded: int(ray.cluster_resources()["CPU"]),
            controller.excluded_nodes,
            sweep_heartbeat.read_heartbeats,
        )
        with publisher, sharing:
            run_jobs(controller, make_sweep_context(folder), folder / "tune", 1, 0, worker=SleepingTrainable)
    assert controller.finished()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]))
