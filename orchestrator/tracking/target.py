"""Which MLflow, and where in it."""

from __future__ import annotations

import os
from pathlib import Path

from orchestrator.spec import SweepSpec
from orchestrator.tracking.recorder import Sink


def resolve_tracking_uri(given: str | None) -> str:
    """The tracking URI: the one given, else MLFLOW_TRACKING_URI, else MLflow's own default in this folder."""
    uri = given or os.environ.get("MLFLOW_TRACKING_URI")
    return uri or f"sqlite:///{Path.cwd() / 'mlflow.db'}"


def experiment_name(spec: SweepSpec) -> str:
    """One experiment for a variant on a data set: what is worth comparing stands together."""
    dataset = spec.dataset.removeprefix("csv:")
    return f"{spec.variant} on {Path(dataset).stem if spec.dataset.startswith('csv:') else dataset}"


def open_sink(spec: SweepSpec, tracking_uri: str) -> Sink:
    """Connects to MLflow; takes seconds the first time, when a fresh database gets its tables."""
    from orchestrator.tracking.mlflow_sink import MlflowSink

    return MlflowSink(tracking_uri, experiment_name(spec), spec.id, source=f"orchestrator.sweep {spec.name}")
