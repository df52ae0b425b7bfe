"""Environment variables of MLflow that a sweep sets or ignores."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

IGNORED = (
    "MLFLOW_RUN_ID",
    "MLFLOW_EXPERIMENT_ID",
    "MLFLOW_EXPERIMENT_NAME",
    "MLFLOW_ACTIVE_MODEL_ID",
    "MLFLOW_ENABLE_ASYNC_LOGGING",
)
"""Variables that would send a sweep's runs, models or points elsewhere."""

_QUICK = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": "5"}


def forget_ignored() -> None:
    """Remove the ignored variables from the environment of this process."""
    for name in IGNORED:
        os.environ.pop(name, None)


@contextmanager
def quick_requests() -> Iterator[None]:
    """Let MLflow's client fail within seconds inside the block, unless the environment says otherwise."""
    added = {name: value for name, value in _QUICK.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)
