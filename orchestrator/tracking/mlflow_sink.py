"""Carries spooled events into MLflow: one batch of requests a run, every run looked up before it is made."""

from __future__ import annotations

import logging
import os
import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from orchestrator.tracking.recorder import SWEEP
from orchestrator.tracking.spool import Event

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_CONFIGURE_LOGGING", "false")

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run, RunTag
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NAME, MLFLOW_SOURCE_NAME

logger = logging.getLogger(__name__)

KEY_TAG = "run_key"
SWEEP_TAG = "sweep_id"
_METRICS_A_REQUEST = 1000
_PARAMS_A_REQUEST = 100


class MlflowSink:
    """Writes one sweep's events to a tracking server or database.

    Args:
        tracking_uri: MLflow's.
        experiment: name of the experiment; made where it is not there.
        sweep_id: told to every run, so that a run is found again by sweep and key.
        source: what MLflow shows as a run's source.
    """

    def __init__(self, tracking_uri: str, experiment: str, sweep_id: str, source: str) -> None:
        self._client = MlflowClient(tracking_uri=tracking_uri)
        self._sweep_id = sweep_id
        self._source = source
        self.experiment_id = self._experiment(experiment)
        self._run_ids: dict[str, str] = self._known_runs()

    def run_id(self, key: str) -> str | None:
        """MLflow's id of the run with this key, None where it was not made yet."""
        return self._run_ids.get(key)

    def send(self, events: list[Event]) -> None:
        """Takes events; those of one run arrive in order and in as few requests as their kinds allow."""
        by_run: dict[str, list[Event]] = defaultdict(list)
        for event in events:
            by_run[event.run].append(event)
        # The sweep's own run has to be there before its children, but may end only after them.
        for key in sorted(by_run, key=lambda key: key != SWEEP):
            self._send_run(key, by_run[key])

    def _send_run(self, key: str, events: list[Event]) -> None:
        params: dict[str, Any] = {}
        tags: dict[str, Any] = {}
        metrics: list[Metric] = []
        end: Event | None = None
        settled: set[str] = set()
        for event in events:
            params.update(event.data.get("params", {}))
            tags.update(event.data.get("tags", {}))
            if event.kind == "start":
                fresh = self._open(key, event)
                end = None
                if fresh:
                    tags = {}
                else:  # MLflow refuses to change a parameter, and a sweep may go on with another concurrency
                    settled = set(self._client.get_run(self._run_ids[key]).data.params)
            elif event.kind == "end":
                end = event
            elif event.kind == "metrics":
                step, time = event.data["step"], event.time
                metrics += [Metric(_allowed(name), value, time, step) for name, value in event.data["metrics"].items()]
        run_id = self._run_ids[key]
        params = {name: value for name, value in params.items() if _allowed(name) not in settled}
        self._log(run_id, params, tags, metrics)
        for event in events:
            self._send_files(run_id, event)
        if end is not None:
            self._client.set_terminated(run_id, status=end.data["status"], end_time=end.time)

    def _open(self, key: str, event: Event) -> bool:
        """Makes the run, or sets one that is there to RUNNING again; True where it is new."""
        if key in self._run_ids:
            self._client.update_run(self._run_ids[key], status="RUNNING")
            return False
        tags = {
            **{_allowed(name): str(value)[:8000] for name, value in event.data.get("tags", {}).items()},
            MLFLOW_RUN_NAME: event.data["name"],
            MLFLOW_SOURCE_NAME: self._source,
            SWEEP_TAG: self._sweep_id,
            KEY_TAG: key,
        }
        if key != SWEEP:
            tags[MLFLOW_PARENT_RUN_ID] = self._run_ids[SWEEP]
        run = self._client.create_run(self.experiment_id, start_time=event.time, tags=tags, run_name=event.data["name"])
        self._run_ids[key] = run.info.run_id
        return True

    def _log(self, run_id: str, params: dict[str, Any], tags: dict[str, Any], metrics: list[Metric]) -> None:
        pending_params = [Param(_allowed(key), str(value)[:6000]) for key, value in params.items()]
        pending_tags = [RunTag(_allowed(key), str(value)[:8000]) for key, value in tags.items()]
        while pending_params or pending_tags or metrics:
            self._client.log_batch(
                run_id,
                metrics=metrics[: _METRICS_A_REQUEST - 2 * _PARAMS_A_REQUEST],
                params=pending_params[:_PARAMS_A_REQUEST],
                tags=pending_tags[:_PARAMS_A_REQUEST],
            )
            metrics = metrics[_METRICS_A_REQUEST - 2 * _PARAMS_A_REQUEST :]
            pending_params = pending_params[_PARAMS_A_REQUEST:]
            pending_tags = pending_tags[_PARAMS_A_REQUEST:]

    def _send_files(self, run_id: str, event: Event) -> None:
        if event.kind == "artifacts":
            path = Path(event.data["path"])
            if not path.exists():
                logger.warning("%s is gone and did not reach MLflow", path)
            elif path.is_dir():
                self._client.log_artifacts(run_id, str(path), event.data["into"])
            else:
                self._client.log_artifact(run_id, str(path), event.data["into"])
        elif event.kind == "dataset":
            from orchestrator.tracking.mlflow_dataset import log_dataset

            log_dataset(self._client, run_id, event.data)
        elif event.kind == "model":
            from orchestrator.tracking.mlflow_model import log_model

            log_model(self._client, run_id, self.experiment_id, event.data)

    def _experiment(self, name: str) -> str:
        found = self._client.get_experiment_by_name(name)
        if found is not None and found.lifecycle_stage == "deleted":
            self._client.restore_experiment(found.experiment_id)
        if found is not None:
            return found.experiment_id
        # Without its kind MLflow guesses, and opens on a page about traces of language models.
        return self._client.create_experiment(name, tags={"mlflow.experimentKind": "custom_model_development"})

    def _known_runs(self) -> dict[str, str]:
        """Runs that this sweep made before, by key: asked for once, when the sink is opened."""
        runs = _all_runs(self._client, self.experiment_id, f"tags.{SWEEP_TAG} = '{self._sweep_id}'")
        return {run.data.tags[KEY_TAG]: run.info.run_id for run in runs if KEY_TAG in run.data.tags}


def _allowed(name: str) -> str:
    """A name as MLflow takes it: targets are columns of anybody's table."""
    return re.sub(r"[^\w.\- :]", "_", name)[:250]


def _all_runs(client: MlflowClient, experiment_id: str, condition: str) -> Iterable[Run]:
    token: str | None = None
    while True:
        page = client.search_runs([experiment_id], condition, max_results=1000, page_token=token)
        yield from page
        token = page.token
        if not token:
            return
