"""Lookups in MLflow: a registered version by its reference, a run by its id or as `SWEEP/confirm-0003`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.core.errors import InputError, reason
from orchestrator.core.near_matches import unknown_name_message
from orchestrator.core.sweep_folder import find_sweep
from orchestrator.core.url_passwords import without_passwords
from orchestrator.registry.version_reference import VersionReference
from orchestrator.tracking.mlflow_sink import KEY_TAG, SWEEP_TAG
from orchestrator.tracking.quiet_mlflow import MlflowClient, MlflowException
from orchestrator.tracking.recorder import SWEEP
from orchestrator.tracking.run_id_format import is_run_id

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion


def find_version(client: MlflowClient, reference: VersionReference) -> ModelVersion:
    """Return a registered version.

    Raises:
        InputError: it does not exist; the message lists near names, or the model's versions and aliases.
    """
    try:
        if reference.alias:
            return client.get_model_version_by_alias(reference.name, reference.alias)
        return client.get_model_version(reference.name, str(reference.version))
    except (MlflowException, OSError) as error:
        raise _unknown_version(client, reference, error) from error


def find_run(client: MlflowClient, reference: str, out: Path) -> Run:
    """Return a run by its MLflow id, as `SWEEP/confirm-0003`, or as `SWEEP/` with its name in MLflow.

    Raises:
        InputError: it does not exist.
    """
    where = f"MLflow at {without_passwords(client.tracking_uri)}"
    sweep, _, key = reference.rpartition("/")
    try:
        if is_run_id(reference):
            return client.get_run(reference)
        if sweep:
            condition = sweep_condition(client, sweep, out)
            experiments = [experiment.experiment_id for experiment in client.search_experiments()]
            for named in (f"tags.{KEY_TAG}", "attributes.run_name"):
                if runs := client.search_runs(experiments, f"{condition} and {named} = '{_quoted(key)}'"):
                    return runs[0]
    except MlflowException as error:
        raise InputError(f"{where} has no run {reference}: {error.message}") from error
    raise InputError(f"{where} has no run {reference!r}: give SWEEP/confirm-0003 or a run's id.")


def sweep_condition(client: MlflowClient, sweep: str, out: Path) -> str:
    """Return MLflow's filter for the runs of a sweep, given by name, id or folder.

    If its folder is not on this machine, MLflow's latest sweep of that name is meant.
    """
    try:
        from orchestrator.core.spec import load_spec

        identifier = load_spec(find_sweep(sweep, out).spec).id
    except InputError:
        experiments = [experiment.experiment_id for experiment in client.search_experiments()]
        named = f"attributes.run_name = '{_quoted(sweep)}' and tags.{KEY_TAG} = '{SWEEP}'"
        runs = client.search_runs(experiments, named, order_by=["attributes.start_time DESC"], max_results=1)
        identifier = runs[0].data.tags[SWEEP_TAG] if runs else _quoted(sweep)
    return f"tags.{SWEEP_TAG} = '{identifier}'"


def _quoted(text: str) -> str:
    return text.replace("'", "")


def _unknown_version(client: MlflowClient, reference: VersionReference, error: Exception) -> InputError:
    where, name = f"MLflow at {without_passwords(client.tracking_uri)}", reference.name
    try:
        names = [model.name for model in client.search_registered_models()]
    except (MlflowException, OSError):
        return InputError(f"{where} does not answer: {reason(error)}")
    if not names:
        return InputError(f"{where} has no registered models: python -m orchestrator.promote makes one.")
    if name not in names:
        return InputError(unknown_name_message("registered model", name, names))
    model = client.get_registered_model(name)
    numbers = sorted(int(version.version) for version in client.search_model_versions(f"name = '{name}'"))
    aliases = ", ".join(f"@{alias}" for alias in sorted(model.aliases)) or "no aliases"
    return InputError(
        f"{name} has no {reference.suffix}: it has {aliases} and the versions {', '.join(map(str, numbers))}."
    )
