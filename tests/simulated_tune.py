"""Simulated Ray Tune: whole sweeps in this process and in seconds, without Ray and without an MLflow server.

Jobs are real trainings: `JobTrainable` trains on the real features of the data set. Only Ray and Tune's event loop are
simulated, in virtual time, by `benchmarks.simulation.SimulatedTune`.

A test takes the fixture `simulated_tune` of `tests/conftest.py`, which replaces executor, uploader and report page, and
runs commands as usual. It may set `before_step` to raise an error or to send a signal at a certain step.

Example:
    >>> def test_sweep(simulated_tune, tmp_path):
    ...     spec = build_spec({"name": "made", "trials": 2, "epochs": 2})
    ...     start_or_resume(spec, tmp_path, dry_run=False, as_json=False, allow_changed=False)
    ...     assert simulated_tune.steps.count("trial-0000") == 2
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any
from uuid import uuid4

from benchmarks.simulation import SimulatedTune
from orchestrator.core.spec import SweepSpec
from orchestrator.core.sweep_folder import Workspace
from orchestrator.execution.controller import SweepController
from orchestrator.execution.failures import failure_from
from orchestrator.execution.job import Job
from orchestrator.execution.sweep_context import SweepContext
from orchestrator.execution.trainable import JobTrainable
from orchestrator.execution.tune_adapter import ControllerScheduler, ControllerSearcher, register_controller
from orchestrator.tracking.spool import Spool


class SimulatedRayTune:
    """Executor of real jobs in this process, in the place of `RayTune`.

    Args:
        slots: CPUs of the simulated node, and so trials in parallel.

    Attributes:
        before_step: called with the job before each of its steps; an exception is a failure of the job.
        steps: key of the job of each step, in their order.
        seconds: returns the virtual duration of a job's step.
    """

    def __init__(self, slots: int = 2) -> None:
        self.slots = slots
        self.before_step: Callable[[Job], None] = lambda job: None
        self.steps: list[str] = []
        self.seconds: Callable[[Job], float] = lambda job: 1.0 + 0.1 * job.number

    @contextmanager
    def session(self, spec: SweepSpec) -> Iterator[None]:
        yield

    def liveness(self, spec: SweepSpec, lost: Callable[[str], None]) -> AbstractContextManager[None]:
        return nullcontext()

    def nodes(self) -> Sequence[dict[str, Any]]:
        return [{"NodeID": "simulated", "Alive": True, "Resources": {"CPU": float(self.slots)}}]

    def run_jobs(
        self, controller: SweepController, context: SweepContext, folder: Path, cpus: float, gpus: float
    ) -> None:
        context.trials.mkdir(parents=True, exist_ok=True)
        register_controller(key := uuid4().hex, controller)
        workers = Workers(self, context)
        try:
            SimulatedTune(ControllerSearcher(key), ControllerScheduler(key), workers, self.slots).run()  # type: ignore[arg-type]
        finally:
            workers.close()


class Workers:
    """Workers of the jobs, in the place of `benchmarks.simulation.Play`."""

    def __init__(self, executor: SimulatedRayTune, context: SweepContext) -> None:
        self._executor, self._context = executor, context
        self._trainables: dict[str, JobTrainable] = {}

    def seconds(self, job: Job) -> float:
        return self._executor.seconds(job)

    def step(self, job: Job, fresh: bool) -> dict[str, Any]:
        """Return the message of the next step of a job, whose worker has just started if `fresh`."""
        if fresh:
            self._start(job)
        self._executor.steps.append(job.key)
        try:
            self._executor.before_step(job)
        except Exception as error:
            self._trainables[job.key].cleanup()
            return {"epochs": [], "failure": failure_from(error, 0).as_dict()}
        return self._trainables[job.key].step()["message"][0]

    def _start(self, job: Job) -> None:
        if job.key in self._trainables:
            self._trainables[job.key].cleanup()
        self._trainables[job.key] = JobTrainable.__new__(JobTrainable)  # Tune's own constructor needs Ray
        self._trainables[job.key].setup(job.as_config(), self._context)

    def close(self) -> None:
        """Release the jobs' folders."""
        for trainable in self._trainables.values():
            trainable.cleanup()


class OfflineUploader:
    """Uploader without an MLflow server: events stay in the spool."""

    error, sink = "no MLflow server in this test", None

    def __init__(self, spool: Spool, delay: float) -> None:
        self._spool = spool

    def start(self) -> None:
        pass

    def begin(self) -> None:
        pass

    def close(self, timeout: float) -> int:
        return self._spool.count_unsent()


class PageInTest:
    """Report page without a process of its own, which would take longer than the sweep: a short text at its end."""

    def __init__(self, workspace: Workspace, cores: float) -> None:
        self._workspace = workspace

    def start(self) -> None:
        pass

    def prepare_last_page(self) -> None:
        pass

    def request_last_page(self, result: Mapping[str, Any]) -> None:
        self._workspace.report_page.write_text("made in a test", encoding="utf-8")

    def wait(self) -> bool:
        return True

    def close(self) -> None:
        pass
