"""Sink that sends spooled events to MLflow, in one batch of requests per run."""

from __future__ import annotations

import logging
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from orchestrator.core.mlflow_names import mlflow_name
from orchestrator.core.sqlite_url import sqlite_file
from orchestrator.tracking.event import Event
from orchestrator.tracking.recorder import SWEEP
from orchestrator.tracking.tracking_variables import forget_ignored
from orchestrator.tracking.uploader import Refused

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_CONFIGURE_LOGGING", "false")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
# The uploader retries. MLflow's own retries would hide for minutes that the server is not available.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")

from mlflow.entities import Metric, Param, Run, RunTag, ViewType
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NAME, MLFLOW_SOURCE_NAME

from orchestrator.tracking.quiet_mlflow import EXPERIMENT_KIND, MlflowClient, MlflowException

logger = logging.getLogger(__name__)

KEY_TAG = "run_key"
SWEEP_TAG = "sweep_id"

_METRICS_PER_REQUEST = 1000
_PARAMS_PER_REQUEST = 100
_DELETED = "its run was deleted in MLflow"


class MlflowSink:
    """Send one sweep's events to a tracking server or database.

    Args:
        tracking_uri: tracking URI of MLflow.
        experiment: name of the experiment; created if missing.
        sweep_id: tag of every run, so that a run is found by sweep and key.
        source: source of the runs, as MLflow shows it.
    """

    def __init__(self, tracking_uri: str, experiment: str, sweep_id: str, source: str) -> None:
        forget_ignored()
        self._client = MlflowClient(tracking_uri=tracking_uri)
        self._sweep_id = sweep_id
        self._source = source
        self.experiment_id = self._experiment(experiment)
        self._run_ids: dict[str, str] = {}
        self._deleted: set[str] = set()
        self._find_runs()

    @property
    def run_ids(self) -> Mapping[str, str]:
        """MLflow's ids of the runs by their keys."""
        return self._run_ids

    def run_id(self, key: str) -> str | None:
        """Return MLflow's id of the run with this key, None if it was not created yet."""
        return self._run_ids.get(key)

    def send(self, events: list[Event]) -> None:
        """Send events; those of one run arrive in order and in as few requests as their kinds allow.

        Raises:
            Refused: MLflow rejected some as invalid, or a run was deleted in MLflow; the others have arrived.
        """
        by_run: dict[str, list[Event]] = defaultdict(list)
        for event in events:
            by_run[event.run].append(event)
        refused: list[tuple[Event, str]] = []
        # The sweep's own run has to exist before its children.
        for key in sorted(by_run, key=lambda key: key != SWEEP):
            try:
                self._send_run(key, by_run[key])
            except Exception as error:
                if not _invalid(error) and not _is_bad_request(error):
                    raise
                refused += self._send_singly(key, by_run[key])
        if refused:
            raise Refused(refused)

    def _send_singly(self, key: str, events: list[Event]) -> list[tuple[Event, str]]:
        """Send the events of a run one by one; return those that MLflow refuses."""
        if self._was_deleted(key):
            return [(event, _DELETED) for event in events]
        refused = []
        for event in events:
            try:
                self._send_run(key, [event])
            except Exception as error:
                if not _invalid(error) and not self._refuses(key, event, error):
                    raise
                refused.append((event, " ".join(str(error).split())[:500]))
        return refused

    def _refuses(self, key: str, event: Event, error: Exception) -> bool:
        """Return whether BAD_REQUEST is about the event: MLflow takes another write, and the event fails once more.

        MLflow also answers BAD_REQUEST if its database is not available; then the other write fails as well.
        """
        if not _is_bad_request(error):
            return False
        if key in self._run_ids:
            self._client.set_tag(self._run_ids[key], KEY_TAG, key)  # the value that it has
        else:
            for name, value in EXPERIMENT_KIND.items():
                self._client.set_experiment_tag(self.experiment_id, name, value)
        try:
            self._send_run(key, [event])
        except Exception as again:
            return _is_bad_request(again)
        return False

    def _was_deleted(self, key: str) -> bool:
        if self._client.get_experiment(self.experiment_id).lifecycle_stage == "deleted":
            raise ConnectionError("the experiment was deleted in MLflow")  # a reopened sink restores it
        if key in self._run_ids and key not in self._deleted:
            run = self._client.get_run(self._run_ids[key])
            if run.info.lifecycle_stage == "deleted":
                self._deleted.add(key)
        return key in self._deleted

    def _send_run(self, key: str, events: list[Event]) -> None:
        if key in self._deleted:
            raise _Deleted(_DELETED)
        params: dict[str, Any] = {}
        tags: dict[str, Any] = {}
        metrics: list[Metric] = []
        end: Event | None = None
        unchangeable: set[str] = set()
        histories: dict[str, list[Metric]] = {}
        if events[0].kind != "start" and key not in self._run_ids:
            self._create_run(key, Event("start", key, {"name": key}, events[0].time))  # its start was lost
        for event in events:
            params.update(event.data.get("params", {}))
            tags.update(event.data.get("tags", {}))
            if event.kind == "start":
                if key in self._run_ids:
                    # MLflow does not change a parameter, and a sweep may be resumed with another concurrency.
                    unchangeable = self._restart(key, event)
                else:
                    self._create_run(key, event)
                    tags = {}
                end = None
            elif event.kind == "end":
                end = event
            elif event.kind == "metrics":
                metrics += self._points(key, event, histories)
        run_id = self._run_ids[key]
        params = {name: value for name, value in params.items() if mlflow_name(name) not in unchangeable}
        self._log(run_id, params, tags, metrics)
        for event in events:
            self._send_files(run_id, event)
        if end is not None:
            self._client.set_terminated(run_id, status=end.data["status"], end_time=end.time)

    def _create_run(self, key: str, event: Event) -> None:
        tags = {
            **{mlflow_name(name): _text(value, 8000) for name, value in event.data.get("tags", {}).items()},
            MLFLOW_RUN_NAME: event.data["name"],
            MLFLOW_SOURCE_NAME: self._source,
            SWEEP_TAG: self._sweep_id,
            KEY_TAG: key,
        }
        if key != SWEEP:
            if SWEEP not in self._run_ids:
                self._create_run(SWEEP, Event("start", SWEEP, {"name": SWEEP}, event.time))
            tags[MLFLOW_PARENT_RUN_ID] = self._run_ids[SWEEP]
        run = self._client.create_run(self.experiment_id, start_time=event.time, tags=tags, run_name=event.data["name"])
        self._run_ids[key] = run.info.run_id

    def _restart(self, key: str, event: Event) -> set[str]:
        """Set a run to RUNNING; return the names of the parameters it has."""
        run = self._client.get_run(self._run_ids[key])
        name = event.data["name"] if run.info.run_name == key else None  # created without its start event
        self._client.update_run(self._run_ids[key], status="RUNNING", name=name)
        return set(run.data.params)

    def _points(self, key: str, event: Event, histories: dict[str, list[Metric]]) -> list[Metric]:
        """Return the points of an event; of a resent event, those that MLflow lacks under any time."""
        step = event.data["step"]
        points = [Metric(mlflow_name(name), value, event.time, step) for name, value in event.data["metrics"].items()]
        if not event.data.get("retold"):
            return points
        for name in {point.key for point in points} - histories.keys():
            histories[name] = self._client.get_metric_history(self._run_ids[key], name)
        return [
            point
            for point in points
            if not any(known.step == step and (step or known.value == point.value) for known in histories[point.key])
        ]

    def _log(self, run_id: str, params: dict[str, Any], tags: dict[str, Any], metrics: list[Metric]) -> None:
        pending_params = [Param(mlflow_name(key), _text(value, 6000)) for key, value in params.items()]
        pending_tags = [RunTag(mlflow_name(key), _text(value, 8000)) for key, value in tags.items()]
        while pending_params or pending_tags or metrics:
            self._client.log_batch(
                run_id,
                metrics=metrics[: _METRICS_PER_REQUEST - 2 * _PARAMS_PER_REQUEST],
                params=pending_params[:_PARAMS_PER_REQUEST],
                tags=pending_tags[:_PARAMS_PER_REQUEST],
            )
            metrics = metrics[_METRICS_PER_REQUEST - 2 * _PARAMS_PER_REQUEST :]
            pending_params = pending_params[_PARAMS_PER_REQUEST:]
            pending_tags = pending_tags[_PARAMS_PER_REQUEST:]

    def _send_files(self, run_id: str, event: Event) -> None:
        if event.kind == "artifacts":
            path = Path(event.data["path"])
            if not path.exists():
                logger.warning("%s was deleted before it was uploaded to MLflow", path)
            elif path.is_dir():
                self._client.log_artifacts(run_id, str(path), event.data["into"])
            else:
                self._client.log_artifact(run_id, str(path), event.data["into"])
        elif event.kind == "text":
            self._client.log_text(run_id, event.data["text"], event.data["into"])
        elif event.kind == "dataset":
            from orchestrator.tracking.mlflow_dataset import log_dataset

            log_dataset(self._client, run_id, event.data)
        elif event.kind == "model":
            from orchestrator.tracking.mlflow_model import log_model

            log_model(self._client, run_id, self.experiment_id, event.data)
        elif event.kind == "experiment":
            self._tag_experiment(event.data["tags"], event.data["defaults"])

    def _tag_experiment(self, tags: Mapping[str, str], defaults: Mapping[str, str]) -> None:
        """Set tags of the experiment, and default ones that it lacks."""
        known = self._client.get_experiment(self.experiment_id).tags
        for name, value in {**{key: text for key, text in defaults.items() if not known.get(key)}, **tags}.items():
            self._client.set_experiment_tag(self.experiment_id, name, value)

    def _experiment(self, name: str) -> str:
        experiment = self._client.get_experiment_by_name(name)
        if experiment is not None and experiment.lifecycle_stage == "deleted":
            self._client.restore_experiment(experiment.experiment_id)
        if experiment is not None:
            return experiment.experiment_id
        location = _artifact_location(self._client.tracking_uri)
        return self._client.create_experiment(name, artifact_location=location, tags=EXPERIMENT_KIND)

    def _find_runs(self) -> None:
        """Find the runs that this sweep created before, by key; once, when the sink is opened."""
        by_key: dict[str, list[Run]] = defaultdict(list)
        for run in _all_runs(self._client, self.experiment_id, f"tags.{SWEEP_TAG} = '{self._sweep_id}'"):
            if KEY_TAG in run.data.tags:
                by_key[run.data.tags[KEY_TAG]].append(run)
        for key, runs in by_key.items():
            active = [run for run in runs if run.info.lifecycle_stage == "active"]
            if not active:
                self._deleted.add(key)
                active = runs
            first, *duplicates = sorted(active, key=lambda run: (-len(run.data.metrics), -len(run.data.params)))
            self._run_ids[key] = first.info.run_id
            if key not in self._deleted:
                self._remove_empty(key, duplicates)

    def _remove_empty(self, key: str, duplicates: list[Run]) -> None:
        """Delete the empty runs of requests that timed out, were retried, and were done twice."""
        for duplicate in duplicates:
            if not duplicate.data.metrics:
                logger.warning("the run %s was created twice; the empty one is deleted", key)
                self._client.delete_run(duplicate.info.run_id)


def _artifact_location(tracking_uri: str) -> str | None:
    """Return the folder of a new experiment's files if MLflow would read its own choice differently, else None.

    MLflow takes `mlruns` in the working folder and unescapes that path: `a%2Fb` would become two folders.
    """
    folder = Path.cwd() / "mlruns"
    return folder.as_uri() if sqlite_file(tracking_uri) and unquote(str(folder)) != str(folder) else None


class _Deleted(Exception):
    """The run was deleted in MLflow."""


def _invalid(error: Exception) -> bool:
    """Return whether MLflow will never accept a request.

    BAD_REQUEST alone does not count; see `MlflowSink._refuses`.
    """
    if isinstance(error, MlflowException):
        return bool(error.error_code == "INVALID_PARAMETER_VALUE")
    return isinstance(error, _Deleted)


def _is_bad_request(error: Exception) -> bool:
    return isinstance(error, MlflowException) and error.error_code == "BAD_REQUEST"


def _text(value: Any, length: int) -> str:
    """Return a value as text without NUL, which PostgreSQL does not store."""
    return str(value).replace("\x00", "")[:length]


def _all_runs(client: MlflowClient, experiment_id: str, condition: str) -> Iterable[Run]:
    token: str | None = None
    while True:
        page = client.search_runs([experiment_id], condition, ViewType.ALL, max_results=1000, page_token=token)
        yield from page
        token = page.token
        if not token:
            return
