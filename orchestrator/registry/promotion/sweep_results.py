"""Results of a sweep: its runs in MLflow, and its tables from its folder or, if that is missing, from MLflow."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from orchestrator.core.errors import InputError, reason
from orchestrator.core.spec import SweepSpec, parse_spec
from orchestrator.core.sweep_folder import Workspace, list_sweeps
from orchestrator.core.training_files import PREDICTIONS
from orchestrator.core.url_passwords import without_passwords
from orchestrator.data.read_predictions import read_predictions
from orchestrator.execution.job import KEY_PREFIX
from orchestrator.search.outcome import Outcome
from orchestrator.tracking.mlflow_sink import KEY_TAG, SWEEP_TAG
from orchestrator.tracking.quiet_mlflow import MlflowClient, MlflowException
from orchestrator.tracking.recorder import SWEEP
from orchestrator.tracking.run_facts import run_facts

if TYPE_CHECKING:
    from mlflow.entities import Run

PARENT_TAG = "mlflow.parentRunId"
_PREDICTED = "predicted_"


class SweepResults:
    """Runs and tables of one sweep.

    Args:
        client: MLflow's client.
        sweep: MLflow run of the whole sweep.
        runs: its confirm runs, baselines included.
        workspace: its folder; None if it is not on this machine.
        scratch: folder for downloads.
    """

    def __init__(
        self, client: MlflowClient, sweep: Run, runs: list[Run], workspace: Workspace | None, scratch: Path
    ) -> None:
        self.client = client
        self.sweep = sweep
        self.workspace = workspace
        self.scratch = scratch
        self._runs = sorted(runs, key=lambda run: int(run.data.tags["split"]))
        self.spec: SweepSpec = parse_spec(sweep.data.tags["spec"], f"The spec of the sweep {self.name}")

    @property
    def name(self) -> str:
        """The sweep's name."""
        return str(self.sweep.info.run_name)

    @property
    def data_hash(self) -> str:
        """Hash of the data set that it ran on."""
        return str(self.sweep.data.tags["data_hash"])

    @cached_property
    def facts(self) -> dict[str, str]:
        """Facts that the sweep came from; see `run_facts`."""
        return run_facts(self.client, self.sweep)

    def split_hash(self, run: Run) -> str | None:
        """Return the hash of the split that a confirm run was trained on; None if it is not known."""
        tags = run.data.tags
        if "split_hash" in tags:  # a run of an earlier version
            return str(tags["split_hash"])
        splits: dict[str, str] = json.loads(self.facts.get("splits", "{}"))
        return splits.get(tags["split"])

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the scores that it learned."""
        named = str(self.sweep.data.params.get("targets", ""))
        return tuple(name for name in named.split(",") if name) or tuple(self.spec.targets)

    def configurations(self, title: str = KEY_PREFIX["search"]) -> dict[str, list[Run]]:
        """Return key of the searched trial → its complete confirm runs by split; `title` chooses search or control."""
        configurations: dict[str, list[Run]] = {}
        for run in self._runs:
            source = run.data.tags.get("source", "")
            if source.startswith(f"{title}-") and run.data.tags.get("outcome") == str(Outcome.COMPLETE):
                configurations.setdefault(source, []).append(run)
        return configurations

    def baselines(self) -> list[Run]:
        """Return the complete runs of the baselines, by split."""
        complete = str(Outcome.COMPLETE)
        return [run for run in self._runs if "source" not in run.data.tags and run.data.tags.get("outcome") == complete]

    @property
    def finished(self) -> bool:
        """True if the sweep is complete."""
        return self.sweep.data.tags.get("outcome") == str(Outcome.COMPLETE)

    def predictions(self, run: Run) -> pd.DataFrame | None:
        """Return a confirm run's true and predicted scores of validation and test; None if they are missing."""
        return self.table(run, PREDICTIONS, "checkpoint")

    def table(self, run: Run, file: str, folder: str) -> pd.DataFrame | None:
        """Return a table of a run from its folder, else from `folder` in MLflow; None if it is missing.

        Raises:
            InputError: the file is not a table, or MLflow lists it and the download fails.
        """
        key = run.data.tags[KEY_TAG]
        path = self.workspace.trials / key / file if self.workspace else None
        if path is None or not path.is_file():
            path = self._download(run.info.run_id, f"{folder}/{file}")
        if path is None:
            return None
        try:
            return read_predictions(path)
        except (OSError, ValueError) as error:
            raise InputError(f"{path} is not a table of predictions: {reason(error)}.") from error

    def _download(self, run_id: str, artifact: str) -> Path | None:
        where = self.scratch / run_id
        where.mkdir(parents=True, exist_ok=True)
        try:
            return Path(self.client.download_artifacts(run_id, artifact, str(where)))
        except (OSError, MlflowException) as error:
            # The error does not show whether the file is missing, which is not an error; the listing does.
            if self._is_missing(run_id, artifact):
                return None
            server = without_passwords(self.client.tracking_uri)
            raise InputError(
                f"MLflow at {server} cannot send {artifact} of the run {run_id}, try again: {reason(error)}"
            ) from error

    def _is_missing(self, run_id: str, artifact: str) -> bool:
        try:
            files = self.client.list_artifacts(run_id, artifact.rpartition("/")[0])
        except MlflowException as error:
            return bool(error.error_code == "RESOURCE_DOES_NOT_EXIST")
        except OSError:
            return False
        return artifact not in {file.path for file in files}


def find_sweep_results(
    client: MlflowClient, out: Path, scratch: Path, condition: str = "", tags: dict[str, str] | None = None
) -> Iterator[SweepResults]:
    """Yield the results of finished sweeps, the newest first.

    Args:
        client: MLflow's client.
        out: folder that sweeps live in.
        scratch: folder for downloads.
        condition: filter for the sweep's run, in MLflow's syntax.
        tags: required settings, by name.
    """
    local = {spec.id: workspace for workspace, spec in list_sweeps(out)}
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    finished = f"tags.{KEY_TAG} = '{SWEEP}' and tags.outcome = 'complete'"
    query = f"{finished} and {condition}" if condition else finished
    for run in _search(client, experiments, query):
        settings = json.loads(run.data.tags.get("spec", "{}"))
        if not settings or any(settings.get(name) != value for name, value in (tags or {}).items()):
            continue
        yield results_of_sweep(client, run, local.get(run.data.tags[SWEEP_TAG]), scratch)


def results_of_sweep(client: MlflowClient, sweep: Run, workspace: Workspace | None, scratch: Path) -> SweepResults:
    """Return the results of a sweep, given its run in MLflow."""
    confirm_runs = f"tags.{SWEEP_TAG} = '{sweep.data.tags[SWEEP_TAG]}' and tags.study = 'confirm'"
    runs = [run for run in _search(client, [sweep.info.experiment_id], confirm_runs) if "split" in run.data.tags]
    return SweepResults(client, sweep, runs, workspace, scratch)


def results_of_run(client: MlflowClient, run: Run, out: Path, scratch: Path) -> SweepResults:
    """Return the results of the sweep that a run belongs to.

    Raises:
        InputError: it is not a run of a sweep.
    """
    tags = run.data.tags
    if KEY_TAG not in tags or PARENT_TAG not in tags:
        raise InputError(f"The run {run.info.run_id} does not belong to a sweep, so nothing records how it was chosen.")
    local = {spec.id: workspace for workspace, spec in list_sweeps(out)}
    return results_of_sweep(client, client.get_run(tags[PARENT_TAG]), local.get(tags[SWEEP_TAG]), scratch)


def targets_of(table: pd.DataFrame) -> tuple[str, ...]:
    """Return the names of the scores in a table of predictions."""
    return tuple(name.removeprefix(_PREDICTED) for name in table.columns if name.startswith(_PREDICTED))


def rows_of_test(table: pd.DataFrame) -> pd.DataFrame:
    """Return the test rows, sorted by name."""
    return table[table["part"] == "test"].sort_values("name", ignore_index=True)


def hash_of_test(table: pd.DataFrame) -> str:
    """Return the hash of the test set in a table of predictions: its images' names and true scores."""
    rows = rows_of_test(table)
    content = [list(rows["name"]), *(list(map(float, rows[target])) for target in targets_of(table))]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _search(client: MlflowClient, experiments: list[str], condition: str) -> Iterator[Run]:
    token: str | None = None
    while experiments:
        page = client.search_runs(experiments, condition, max_results=1000, page_token=token)
        yield from page
        if not (token := page.token):
            return
