"""What a finished sweep left behind: its runs in MLflow, its tables in its folder or, where that is gone, in MLflow."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from orchestrator.core.credentials import without_passwords
from orchestrator.core.errors import InputError, reason
from orchestrator.core.run_files import PREDICTIONS
from orchestrator.core.spec import SweepSpec, parse_spec
from orchestrator.core.workspace import Workspace, list_sweeps
from orchestrator.execution.job import KEY_PREFIX
from orchestrator.search.outcome import Outcome
from orchestrator.tracking.mlflow_client import MlflowClient, MlflowException
from orchestrator.tracking.mlflow_sink import KEY_TAG, SWEEP_TAG
from orchestrator.tracking.recorder import SWEEP

if TYPE_CHECKING:
    from mlflow.entities import Run

PARENT_TAG = "mlflow.parentRunId"
_PREDICTED = "predicted_"


class SweepResults:
    """One sweep, as it can be read afterwards.

    Args:
        client: MLflow's.
        sweep: the run that stands for the whole sweep.
        runs: its confirm runs, baselines included.
        workspace: its folder; None where it is not on this machine.
        scratch: folder for what is downloaded.
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
        """Of the data set that it ran on."""
        return str(self.sweep.data.tags["data_hash"])

    def configurations(self, title: str = KEY_PREFIX["search"]) -> dict[str, list[Run]]:
        """Key of the searched trial → its complete confirm runs by split; of the control with its title."""
        found: dict[str, list[Run]] = {}
        for run in self._runs:
            source = run.data.tags.get("source", "")
            if source.startswith(f"{title}-") and run.data.tags.get("outcome") == str(Outcome.COMPLETE):
                found.setdefault(source, []).append(run)
        return found

    def baselines(self) -> list[Run]:
        """The complete runs of the baselines, by split."""
        complete = str(Outcome.COMPLETE)
        return [run for run in self._runs if "source" not in run.data.tags and run.data.tags.get("outcome") == complete]

    @property
    def finished(self) -> bool:
        """Whether the sweep has run to its end."""
        return self.sweep.data.tags.get("outcome") == str(Outcome.COMPLETE)

    def predictions(self, run: Run) -> pd.DataFrame | None:
        """A confirm run's true and predicted scores of validation and test; None where they are gone."""
        return self.table(run, PREDICTIONS, "checkpoint")

    def table(self, run: Run, file: str, folder: str) -> pd.DataFrame | None:
        """A table of a run: of its folder here, else of `folder` in MLflow; None where there is none.

        Raises:
            InputError: what is there is no table, or MLflow does not give what it has.
        """
        key = run.data.tags[KEY_TAG]
        path = self.workspace.trials / key / file if self.workspace else None
        if path is None or not path.is_file():
            path = self._download(run.info.run_id, f"{folder}/{file}")
        if path is None:
            return None
        try:
            return pd.read_csv(path, dtype={"name": str, "generator": str})
        except (OSError, ValueError) as error:
            raise InputError(f"{path} is no table of predictions: {reason(error)}.") from error

    def _download(self, run_id: str, artifact: str) -> Path | None:
        where = self.scratch / run_id
        where.mkdir(parents=True, exist_ok=True)
        try:
            return Path(self.client.download_artifacts(run_id, artifact, str(where)))
        except (OSError, MlflowException) as error:
            # What went wrong does not say whether it is gone, and what is gone refuses nobody: the list does.
            if self._gone(run_id, artifact):
                return None
            where_from = without_passwords(self.client.tracking_uri)
            raise InputError(
                f"MLflow at {where_from} does not give {artifact} of the run {run_id}, try again: {reason(error)}"
            ) from error

    def _gone(self, run_id: str, artifact: str) -> bool:
        try:
            there = self.client.list_artifacts(run_id, artifact.rpartition("/")[0])
        except MlflowException as error:
            return bool(error.error_code == "RESOURCE_DOES_NOT_EXIST")
        except OSError:
            return False
        return artifact not in {file.path for file in there}


def find_evidence(
    client: MlflowClient, out: Path, scratch: Path, condition: str = "", tags: dict[str, str] | None = None
) -> Iterator[SweepResults]:
    """The finished sweeps that MLflow knows, the newest first.

    Args:
        client: MLflow's.
        out: folder that sweeps live in.
        scratch: folder for what is downloaded.
        condition: what else must hold of the sweep's run, in MLflow's language.
        tags: what its settings must say, by name of the setting.
    """
    local = {spec.id: workspace for workspace, spec in list_sweeps(out)}
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    finished = f"tags.{KEY_TAG} = '{SWEEP}' and tags.outcome = 'complete'"
    asked = f"{finished} and {condition}" if condition else finished
    for run in _search(client, experiments, asked):
        settings = json.loads(run.data.tags.get("spec", "{}"))
        if not settings or any(settings.get(name) != value for name, value in (tags or {}).items()):
            continue
        yield evidence_of(client, run, local.get(run.data.tags[SWEEP_TAG]), scratch)


def evidence_of(client: MlflowClient, sweep: Run, workspace: Workspace | None, scratch: Path) -> SweepResults:
    """What the sweep of a run left behind."""
    mine = f"tags.{SWEEP_TAG} = '{sweep.data.tags[SWEEP_TAG]}' and tags.study = 'confirm'"
    runs = [run for run in _search(client, [sweep.info.experiment_id], mine) if "split" in run.data.tags]
    return SweepResults(client, sweep, runs, workspace, scratch)


def evidence_of_run(client: MlflowClient, run: Run, out: Path, scratch: Path) -> SweepResults:
    """What the sweep left behind that a confirm run belongs to.

    Raises:
        InputError: it is no run of a sweep.
    """
    tags = run.data.tags
    if KEY_TAG not in tags or PARENT_TAG not in tags:
        raise InputError(f"The run {run.info.run_id} belongs to no sweep, so nothing says how it was chosen.")
    local = {spec.id: workspace for workspace, spec in list_sweeps(out)}
    return evidence_of(client, client.get_run(tags[PARENT_TAG]), local.get(tags[SWEEP_TAG]), scratch)


def targets_of(table: pd.DataFrame) -> tuple[str, ...]:
    """The scores that a table of predictions is about."""
    return tuple(name.removeprefix(_PREDICTED) for name in table.columns if name.startswith(_PREDICTED))


def rows_of_test(table: pd.DataFrame) -> pd.DataFrame:
    """The rows that judge, by name."""
    return table[table["part"] == "test"].sort_values("name", ignore_index=True)


def hash_of_test(table: pd.DataFrame) -> str:
    """Hash of the test set in a table of predictions: its images' names and true scores."""
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
