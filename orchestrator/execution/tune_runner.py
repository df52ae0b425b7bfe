"""Ray Tune as the executor of a sweep's jobs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from orchestrator.cluster.process_registry import cluster_address
from orchestrator.cluster.session import started_here
from orchestrator.core.spec import SweepSpec
from orchestrator.execution.controller import SweepController
from orchestrator.execution.sweep_context import SweepContext

if TYPE_CHECKING:
    from ray import tune


class RayTune:
    """Executor that runs jobs with Ray Tune, on a cluster or on one that it starts on this machine."""

    @contextmanager
    def session(self, spec: SweepSpec) -> Iterator[None]:
        """Connect to the cluster of the settings, or start one, until the context ends."""
        from orchestrator.cluster.session import ray_session

        with ray_session(spec.address, spec.cpus_per_trial or 1.0, spec.gpus):
            yield

    def liveness(self, spec: SweepSpec, lost: Callable[[str], None]) -> AbstractContextManager[object]:
        """Probe Ray's head and this machine's raylet; `lost` is called with a sentence if one is gone."""
        from orchestrator.cluster.liveness import lifeline_of_ray

        return lifeline_of_ray(cluster_address(spec.address) is not None, lost)

    def nodes(self) -> Sequence[dict[str, Any]]:
        """Return `ray.nodes()`."""
        import ray

        nodes: Sequence[dict[str, Any]] = ray.nodes()
        return nodes

    def run_jobs(
        self, controller: SweepController, context: SweepContext, folder: Path, cpus: float, gpus: float
    ) -> None:
        """Run every job of the controller with `run_jobs`."""
        run_jobs(controller, context, folder, cpus, gpus)


def run_jobs(
    controller: SweepController,
    context: SweepContext,
    folder: Path,
    cpus: float,
    gpus: float,
    worker: type[tune.Trainable] | None = None,
) -> None:
    """Run every job of the controller until all have ended or, after a signal, until the running epochs have.

    Args:
        controller: chooses jobs and handles their results; its slots limit how many jobs wait or run.
        context: data that the jobs share.
        folder: for Tune's own files.
        cpus, gpus: of one job.
        worker: the trainable; None for `JobTrainable`.
    """
    # Tune starts all waiting workers at once; the controller limits how many jobs wait.
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = "100000"
    from ray import tune

    from orchestrator.execution.trainable import JobTrainable
    from orchestrator.execution.tune_adapter import (
        ControllerScheduler,
        ControllerSearcher,
        NoReporter,
        RunningJobs,
        register_controller,
    )

    context.trials.mkdir(parents=True, exist_ok=True)  # a node that does not see it has another disk
    key = uuid4().hex
    register_controller(key, controller)
    trainable = tune.with_parameters(worker or JobTrainable, context=context)
    tuner = tune.Tuner(
        tune.with_resources(trainable, {"cpu": cpus, "gpu": gpus}),
        tune_config=tune.TuneConfig(
            search_alg=ControllerSearcher(key),
            scheduler=ControllerScheduler(key),
            num_samples=-1,
            reuse_actors=True,
            trial_dirname_creator=lambda trial: trial.trial_id,
        ),
        run_config=tune.RunConfig(
            name=key,
            storage_path=str(folder.absolute()),
            verbose=0,
            progress_reporter=NoReporter(),
            checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=0, checkpoint_at_end=False),
            failure_config=tune.FailureConfig(max_failures=0),  # the controller retries jobs
            callbacks=[RunningJobs(key)],
        ),
    )
    with _environment_of_workers():
        tuner.fit()


@contextmanager
def _environment_of_workers() -> Iterator[None]:
    """Restrict the variables that Tune sets for its workers while the context is open.

    Workers of a cluster that this process started inherit all variables. Only if none are set does Ray give a trial a
    process that has started already. Other nodes have their own credentials; Tune would write this node's to Ray's log.
    """
    from ray.tune.execution.class_cache import DEFAULT_ENV_VARS, ENV_VARS_TO_PROPAGATE

    before = dict(DEFAULT_ENV_VARS), set(ENV_VARS_TO_PROPAGATE)
    if started_here():
        DEFAULT_ENV_VARS.clear()
        ENV_VARS_TO_PROPAGATE.clear()
    ENV_VARS_TO_PROPAGATE.difference_update({name for name in ENV_VARS_TO_PROPAGATE if name.startswith("AWS_")})
    try:
        yield
    finally:
        DEFAULT_ENV_VARS.update(before[0])
        ENV_VARS_TO_PROPAGATE.update(before[1])
