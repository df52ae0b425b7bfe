"""A rerun as a run of its own in MLflow."""

from __future__ import annotations

import math
import time

from orchestrator.sweeps.rerun.compare_curves import CurveComparison
from orchestrator.sweeps.rerun.original_run import OriginalRun
from orchestrator.tracking.destination import experiment_name, resolve_tracking_uri
from orchestrator.tracking.provenance import provenance
from orchestrator.tracking.quiet_mlflow import MlflowClient


def log_rerun(origin: OriginalRun, comparison: CurveComparison, tracking_uri: str | None) -> str:
    """Log the new curve as a run tagged `rerun_of` and return its id. It does not count among the sweep's runs.

    Raises:
        MlflowException: MLflow did not accept it.
    """
    from mlflow.entities import Metric

    client = MlflowClient(tracking_uri=resolve_tracking_uri(tracking_uri or origin.spec.tracking_uri))
    name = experiment_name(origin.spec)
    experiment = client.get_experiment_by_name(name)
    experiment_id = experiment.experiment_id if experiment else client.create_experiment(name)
    tags = {
        **provenance(),
        "rerun_of": origin.run_id or origin.name,
        "sweep": origin.spec.name,
        "same": str(comparison.same).lower(),
        "first_difference": comparison.first_difference or "",
        "changed": "; ".join(comparison.changed),
    }
    run = client.create_run(experiment_id, tags=tags, run_name=f"rerun of {origin.name}")
    now = int(time.time() * 1000)
    for epoch, figures in comparison.now.items():
        points = [Metric(name, value, now, epoch) for name, value in figures.items() if math.isfinite(value)]
        client.log_batch(run.info.run_id, metrics=points)
    client.set_terminated(run.info.run_id)
    return str(run.info.run_id)
