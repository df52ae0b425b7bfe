"""Puts a desk's jobs through Ray Tune until there are none."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from orchestrator.execution.controller import SweepController
from orchestrator.execution.sweep_context import SweepContext

if TYPE_CHECKING:
    from ray import tune


def run_jobs(
    controller: SweepController,
    task: SweepContext,
    folder: Path,
    slots: int,
    cpus: float,
    gpus: float,
    worker: type[tune.Trainable] | None = None,
) -> None:
    """Runs every job of the desk; returns when all have ended or, after a signal, when the last epoch has.

    Args:
        controller: hands out jobs and takes in results.
        task: what the jobs share.
        folder: for Tune's own files.
        slots: jobs that fit side by side.
        cpus, gpus: of one job.
        worker: the trainable; `Worker` unless a benchmark has one of its own.
    """
    # All workers start at once, and not one after the other: how many jobs wait is the desk's affair.
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = "100000"
    controller.use_slots(slots)
    from ray import tune
    from ray.tune.execution.class_cache import ENV_VARS_TO_PROPAGATE

    from orchestrator.execution.trainable import JobTrainable
    from orchestrator.execution.tune_adapter import ControllerScheduler, ControllerSearcher, register_controller

    # Tune would hand the driver's keys to every worker, by way of Ray's log on its host; each host has keys of its own.
    ENV_VARS_TO_PROPAGATE.difference_update({name for name in ENV_VARS_TO_PROPAGATE if name.startswith("AWS_")})
    task.trials.mkdir(parents=True, exist_ok=True)  # a node where it is not has another disk
    key = uuid4().hex
    register_controller(key, controller)
    trainable = tune.with_resources(tune.with_parameters(worker or JobTrainable, task=task), {"cpu": cpus, "gpu": gpus})
    tuner = tune.Tuner(
        trainable,
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
            checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=0, checkpoint_at_end=False),
            failure_config=tune.FailureConfig(max_failures=0),  # the desk hands a job out again
        ),
    )
    tuner.fit()
