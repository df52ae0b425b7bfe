"""Carries spooled events into MLflow: one batch of requests a run, every run looked up before it is made."""

from __future__ import annotations

import logging
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from orchestrator.tracking.event import Event
from orchestrator.tracking.recorder import SWEEP
from orchestrator.tracking.uploader import Refused

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_CONFIGURE_LOGGING", "false")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
# The drain has its own patience. MLflow's would hide from it for minutes that the server is away.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run, RunTag, ViewType
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NAME, MLFLOW_SOURCE_NAME

logger = logging.getLogger(__name__)

KEY_TAG = "run_key"
SWEEP_TAG = "sweep_id"
_METRICS_A_REQUEST = 1000
_PARAMS_A_REQUEST = 100
_DELETED = "its run was deleted in MLflow"


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
        self._run_ids: dict[str, str] = {}
        self._deleted: set[str] = set()
        self._find_known_runs()

    @property
    def run_ids(self) -> Mapping[str, str]:
        """MLflow's ids of the runs by their keys."""
        return self._run_ids

    def run_id(self, key: str) -> str | None:
        """MLflow's id of the run with this key, None where it was not made yet."""
        return self._run_ids.get(key)

    def send(self, events: list[Event]) -> None:
        """Takes events; those of one run arrive in order and in as few requests as their kinds allow.

        Raises:
            Refused: MLflow called some of them invalid, or a run was deleted by somebody; the rest has arrived.
        """
        by_run: dict[str, list[Event]] = defaultdict(list)
        for event in events:
            by_run[event.run].append(event)
        refused: list[tuple[Event, str]] = []
        # The sweep's own run has to be there before its children, but may end only after them.
        for key in sorted(by_run, key=lambda key: key != SWEEP):
            try:
                self._send_run(key, by_run[key])
            except Exception as error:
                if not _invalid(error):
                    raise
                refused += self._send_singly(key, by_run[key])
        if refused:
            raise Refused(refused)

    def _send_singly(self, key: str, events: list[Event]) -> list[tuple[Event, str]]:
        """Sends the events of a run one by one; gives those that MLflow refuses."""
        if self._was_deleted(key):
            return [(event, _DELETED) for event in events]
        refused = []
        for event in events:
            try:
                self._send_run(key, [event])
            except Exception as error:
                if not _invalid(error):
                    raise
                refused.append((event, " ".join(str(error).split())[:500]))
        return refused

    def _was_deleted(self, key: str) -> bool:
        if self._client.get_experiment(self.experiment_id).lifecycle_stage == "deleted":
            raise ConnectionError("the experiment was deleted in MLflow")  # opening the sink again restores it
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
        settled: set[str] = set()
        histories: dict[str, list[Metric]] = {}
        if events[0].kind != "start" and key not in self._run_ids:
            self._make(key, Event("start", key, {"name": key}, events[0].time))  # its start was lost on disk
        for event in events:
            params.update(event.data.get("params", {}))
            tags.update(event.data.get("tags", {}))
            if event.kind == "start":
                if key in self._run_ids:
                    # MLflow refuses to change a parameter, and a sweep may go on with another concurrency.
                    settled = self._open_again(key, event)
                else:
                    self._make(key, event)
                    tags = {}
                end = None
            elif event.kind == "end":
                end = event
            elif event.kind == "metrics":
                metrics += self._points(key, event, histories)
        run_id = self._run_ids[key]
        params = {name: value for name, value in params.items() if _allowed(name) not in settled}
        self._log(run_id, params, tags, metrics)
        for event in events:
            self._send_files(run_id, event)
        if end is not None:
            self._client.set_terminated(run_id, status=end.data["status"], end_time=end.time)

    def _make(self, key: str, event: Event) -> None:
        tags = {
            **{_allowed(name): _text(value, 8000) for name, value in event.data.get("tags", {}).items()},
            MLFLOW_RUN_NAME: event.data["name"],
            MLFLOW_SOURCE_NAME: self._source,
            SWEEP_TAG: self._sweep_id,
            KEY_TAG: key,
        }
        if key != SWEEP:
            if SWEEP not in self._run_ids:
                self._make(SWEEP, Event("start", SWEEP, {"name": SWEEP}, event.time))
            tags[MLFLOW_PARENT_RUN_ID] = self._run_ids[SWEEP]
        run = self._client.create_run(self.experiment_id, start_time=event.time, tags=tags, run_name=event.data["name"])
        self._run_ids[key] = run.info.run_id

    def _open_again(self, key: str, event: Event) -> set[str]:
        """Sets a run to RUNNING, and gives the parameters it has already."""
        run = self._client.get_run(self._run_ids[key])
        name = event.data["name"] if run.info.run_name == key else None  # made before its start was known
        self._client.update_run(self._run_ids[key], status="RUNNING", name=name)
        return set(run.data.params)

    def _points(self, key: str, event: Event, histories: dict[str, list[Metric]]) -> list[Metric]:
        """The points of an event; of one that is retold, those that are not there under another time."""
        step = event.data["step"]
        points = [Metric(_allowed(name), value, event.time, step) for name, value in event.data["metrics"].items()]
        if not event.data.get("retold"):
            return points
        for name in {point.key for point in points} - histories.keys():
            histories[name] = self._client.get_metric_history(self._run_ids[key], name)
        return [
            point
            for point in points
            if not any(there.step == step and (step or there.value == point.value) for there in histories[point.key])
        ]

    def _log(self, run_id: str, params: dict[str, Any], tags: dict[str, Any], metrics: list[Metric]) -> None:
        pending_params = [Param(_allowed(key), _text(value, 6000)) for key, value in params.items()]
        pending_tags = [RunTag(_allowed(key), _text(value, 8000)) for key, value in tags.items()]
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
        elif event.kind == "text":
            self._client.log_text(run_id, event.data["text"], event.data["into"])
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

    def _find_known_runs(self) -> None:
        """Runs that this sweep made before, by key: asked for once, when the sink is opened."""
        found: dict[str, list[Run]] = defaultdict(list)
        for run in _all_runs(self._client, self.experiment_id, f"tags.{SWEEP_TAG} = '{self._sweep_id}'"):
            if KEY_TAG in run.data.tags:
                found[run.data.tags[KEY_TAG]].append(run)
        for key, runs in found.items():
            active = [run for run in runs if run.info.lifecycle_stage == "active"]
            if not active:
                self._deleted.add(key)
                active = runs
            first, *twins = sorted(active, key=lambda run: (-len(run.data.metrics), -len(run.data.params)))
            self._run_ids[key] = first.info.run_id
            if key not in self._deleted:
                self._remove_empty(key, twins)

    def _remove_empty(self, key: str, twins: list[Run]) -> None:
        """Removes what a request left that was done after it had been given up and asked again."""
        for twin in twins:
            if not twin.data.metrics:
                logger.warning("the run %s was made twice; the empty one is removed", key)
                self._client.delete_run(twin.info.run_id)


class _Deleted(Exception):
    """The run was deleted by somebody."""


def _invalid(error: Exception) -> bool:
    """Whether MLflow will never take this, however often it is asked.

    BAD_REQUEST is not meant: MLflow says it of a database that is away as well.
    """
    if isinstance(error, MlflowException):
        return bool(error.error_code == "INVALID_PARAMETER_VALUE")
    return isinstance(error, _Deleted)


def _text(value: Any, length: int) -> str:
    """A value as text that every database takes: PostgreSQL has no NUL."""
    return str(value).replace("\x00", "")[:length]


def _allowed(name: str) -> str:
    """A name as MLflow takes it: targets are columns of anybody's table."""
    return re.sub(r"[^\w.\- :]", "_", name)[:250]


def _all_runs(client: MlflowClient, experiment_id: str, condition: str) -> Iterable[Run]:
    token: str | None = None
    while True:
        page = client.search_runs([experiment_id], condition, ViewType.ALL, max_results=1000, page_token=token)
        yield from page
        token = page.token
        if not token:
            return
