"""A small sweep that has really run: real trainings and baselines on made features, under the fake executor."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from models import variant_info
from orchestrator.core.spec import SweepSpec
from orchestrator.core.sweep_folder import Workspace
from orchestrator.data import Dataset
from orchestrator.execution.cross_test_set import CrossDataset
from orchestrator.execution.job import Job
from orchestrator.execution.plan import Plan
from orchestrator.execution.prepare import PreparedSweep
from orchestrator.execution.sweep_context import SweepContext
from orchestrator.execution.trainable import JobTrainable
from orchestrator.reporting.summary import Summary, summarise
from tests.execution.contexts import make_cross, make_sweep_context
from tests.execution.fakes import SPACE, FakeExecutor, FakeSweep, Work


@dataclass
class RealWork(Work):
    """Real trainings in this process, except for the jobs that are to fail."""

    task: SweepContext | None = None
    workers: dict[str, JobTrainable] = field(default_factory=dict)

    def first(self, job: Job) -> dict[str, Any] | None:
        self.workers[job.key] = JobTrainable.__new__(JobTrainable)
        self.workers[job.key].setup(job.as_config(), self.task)
        return None

    def next(self, job: Job) -> dict[str, Any]:
        if job.key in self.wrong:
            return super().next(job)
        return self.workers[job.key].step()["message"][0]


@dataclass
class Made:
    prepared: PreparedSweep
    sweep: FakeSweep
    workspace: Workspace
    task: SweepContext
    callbacks: tuple[Any, ...] = ()

    def summary(self) -> Summary:
        return summarise(self.prepared, self.sweep.arms, self.sweep.confirm, self.workspace.trials)

    def result(self) -> dict[str, Any]:
        return self.summary().as_result()


@pytest.fixture(scope="session")
def run_sweep() -> Callable[..., Made]:
    def run(
        folder: Path,
        targets: tuple[str, ...] = ("alignment",),
        wrong: dict[str, tuple[str, int]] | None = None,
        callbacks: tuple[Any, ...] = (),
        cross: tuple[str, ...] = (),
        **settings: Any,
    ) -> Made:
        given = {"trials": 3, "epochs": 3, "confirm": 2, "splits": 3, **settings}
        spec = SweepSpec(name="made", variant="text_hyper", **given)
        workspace = Workspace(folder / "sweeps" / "made")
        workspace.report.mkdir(parents=True)
        task = make_sweep_context(workspace.root, targets)
        task = replace(task, cross=make_cross(task, cross)) if cross else task
        table = pd.DataFrame({"name": task.names, "prompt": task.prompts, "generator": task.generators})
        dataset = Dataset("made", table.assign(image=table["name"]), targets, (), "hash")
        prepared = PreparedSweep(
            spec=spec,
            dataset=dataset,
            targets=targets,
            space=SPACE,
            control_space=SPACE.without_hypernet(),
            encoders=dict(task.encoders),
            reads=tuple(variant_info("text_hyper").reads),
            splits=task.splits,
            enqueued=(),
            cross=_cross_data(task, targets) if cross else None,
        )
        plan = Plan(trials=spec.trials, confirm=spec.confirm, splits=spec.splits, seed=0, epochs=spec.epochs)
        sweep = FakeSweep(plan)
        assert FakeExecutor(sweep.controller(*callbacks), RealWork(wrong or {}, task=task)).run()
        return Made(prepared, sweep, workspace, task, callbacks)

    return run


def _cross_data(task: SweepContext, targets: tuple[str, ...]) -> CrossDataset:
    """Return the prepared second data set of a context."""
    cross, rows = task.cross, 144
    table = pd.DataFrame({"name": [f"{row:03d}" for row in range(rows)], "prompt": [str(n // 6) for n in range(rows)]})
    dataset = Dataset("csv:some/elsewhere.csv", table, cross.targets, (), "other hash")
    missing = tuple(target for target in targets if target not in cross.targets)
    return CrossDataset(dataset, cross.targets, missing, cross.rows, {"prompt": rows - len(cross.rows)})


@pytest.fixture(scope="session")
def elsewhere_too(run_sweep: Callable[..., Made], tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Return a sweep with one target, also tested on a second data set."""
    return run_sweep(tmp_path_factory.mktemp("cross"), cross=("alignment",), confirm=1)


@pytest.fixture(scope="session")
def half_elsewhere(run_sweep: Callable[..., Made], tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Return a sweep with two targets, of which a second data set has one."""
    folder = tmp_path_factory.mktemp("half")
    return run_sweep(folder, ("quality", "alignment"), cross=("alignment",), confirm=1, splits=2, trials=1)


@pytest.fixture(scope="session")
def made(run_sweep: Callable[..., Made], tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Return a sweep with one target."""
    return run_sweep(tmp_path_factory.mktemp("made"))


@pytest.fixture(scope="session")
def two(run_sweep: Callable[..., Made], tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Return a sweep with two targets."""
    return run_sweep(tmp_path_factory.mktemp("two"), ("quality", "alignment"), confirm=1, splits=2)
