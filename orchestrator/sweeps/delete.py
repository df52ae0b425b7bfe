"""Deletion of a sweep, from disk and, if asked, from MLflow."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.core.errors import InputError
from orchestrator.core.object_store import ObjectStoreUnavailable
from orchestrator.core.spec import SweepSpec, load_spec
from orchestrator.core.sweep_folder import Workspace, lock_sweep
from orchestrator.execution.open_trial_store import open_trial_store
from orchestrator.search.open_storage import delete_studies
from orchestrator.sweeps.archive import remove_folder
from orchestrator.tracking.destination import experiment_name, resolve_tracking_uri, stored_destination
from orchestrator.tracking.spool import Spool


@dataclass(frozen=True)
class Deleted:
    """Result of a deletion: runs deleted in MLflow, None if MLflow was not asked."""

    name: str
    tracking_uri: str
    experiment: str
    runs: int | None

    def __str__(self) -> str:
        where = f"in MLflow at {self.tracking_uri}, experiment {self.experiment!r}"
        if self.runs is None:
            return f"Deleted {self.name}. Its runs and models stay {where}."
        return f"Deleted {self.name}, and its {self.runs} runs {where} (`mlflow gc` frees their files)."


def delete_sweep(workspace: Workspace, with_mlflow: bool = False) -> Deleted:
    """Delete a sweep's folder and its studies in a database; before that, if asked, its runs in MLflow.

    A failure in MLflow leaves the sweep whole.

    Raises:
        InputError: it is running, MLflow or the ledger cannot be reached, or one of its runs made a registered model.
    """
    with lock_sweep(workspace):
        spec = load_spec(workspace.spec)
        there = stored_destination(Spool(workspace.spool))
        tracking_uri = there.tracking_uri if there else resolve_tracking_uri(spec.tracking_uri)
        runs = _delete_runs(spec, tracking_uri) if with_mlflow else None
        try:
            open_trial_store(spec, workspace).remove_all()
        except ObjectStoreUnavailable as error:
            raise InputError(f"{error}. So nothing more was deleted.") from error
        if spec.ledger:
            delete_studies(spec)
        remove_folder(workspace)
    return Deleted(spec.name, tracking_uri, experiment_name(spec), runs)


def _delete_runs(spec: SweepSpec, tracking_uri: str) -> int:
    from orchestrator.tracking.mlflow_sink import SWEEP_TAG
    from orchestrator.tracking.quiet_mlflow import MlflowClient, MlflowException

    client = MlflowClient(tracking_uri=tracking_uri)
    try:
        experiment = client.get_experiment_by_name(experiment_name(spec))
        if experiment is None:
            return 0
        runs, token = [], None
        while True:
            page = client.search_runs(
                [experiment.experiment_id], f"tags.{SWEEP_TAG} = '{spec.id}'", max_results=1000, page_token=token
            )
            runs += [run.info.run_id for run in page]
            if not (token := page.token):
                break
        registered = [version for version in client.search_model_versions() if version.run_id in set(runs)]
        if registered:
            names = ", ".join(f"{version.name} version {version.version}" for version in registered)
            raise InputError(f"{spec.name} cannot go from MLflow: its runs made {names}. Delete those first.")
        models = client.search_logged_models([experiment.experiment_id])
        for model in models:
            if model.source_run_id in set(runs):
                client.delete_logged_model(model.model_id)
        for run in runs:
            client.delete_run(run)
    except MlflowException as error:
        raise InputError(f"MLflow at {tracking_uri} does not answer, so nothing was deleted: {error}") from error
    return len(runs)
