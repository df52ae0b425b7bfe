"""A run as it was: found in a sweep's folder or in MLflow."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models import CONTROL
from orchestrator.core.errors import InputError, reason
from orchestrator.core.spec import SweepSpec, load_spec, parse_spec
from orchestrator.core.sweep_folder import Workspace, find_sweep, list_sweeps
from orchestrator.core.training_files import EPOCHS
from orchestrator.execution.job import KEY_PREFIX, Job, Study
from orchestrator.execution.plan import Plan, confirm_job, searched_job
from orchestrator.execution.prepare import PreparedSweep, control_of
from orchestrator.search.ledger_trial import LedgerTrial
from orchestrator.search.outcome import Outcome
from orchestrator.search.read_ledger import read_studies
from orchestrator.tracking.run_id_format import is_run_id
from orchestrator.tracking.run_names import trained_name

if TYPE_CHECKING:
    from mlflow.entities import Run

Curve = dict[int, dict[str, float]]
"""Epoch → its figures, by name; 0 holds what the whole training came to."""

FINAL = 0
_KEY = re.compile(r"(?:trial|control|confirm)-\d+")


@dataclass(frozen=True)
class OriginalRun:
    """A run that is to be trained again.

    Attributes:
        name: its name for people, `SWEEP/trial-0003`.
        workspace: folder with the sweep's spec, space and splits.
        spec: the settings it ran with.
        curve: its recorded metrics.
        about: tags of its commit, packages and device.
        trial: the ledger's trial, if found there.
        job: its job, if MLflow has it; otherwise `job_of` makes the job from the trial.
        run_id: its run in MLflow, if found there.
    """

    name: str
    workspace: Workspace
    spec: SweepSpec
    curve: Curve
    about: dict[str, str]
    study: Study
    trial: LedgerTrial | None = None
    searched: LedgerTrial | None = None
    job: Job | None = None
    run_id: str | None = None

    def job_of(self, prepared: PreparedSweep) -> Job:
        """Return the run's job."""
        if self.job is not None:
            return self.job
        assert self.trial is not None
        spec = self.spec
        plan = Plan(spec.trials, spec.confirm, spec.splits, spec.seed, spec.epochs)
        if self.study != "confirm":
            return _searched(prepared, self.study, self.trial, plan)
        source: Study = "search" if self.trial.attributes["source"].startswith(KEY_PREFIX["search"]) else "control"
        assert self.searched is not None
        return confirm_job(self.trial, plan, _searched(prepared, source, self.searched, plan))


def _searched(prepared: PreparedSweep, study: Study, trial: LedgerTrial, plan: Plan) -> Job:
    variant = prepared.spec.variant
    if study == "search":
        of = control_of(variant, prepared.targets, prepared.space)
        return searched_job(study, variant, of, prepared.space, trial, plan)
    assert prepared.control_space is not None
    return searched_job(study, CONTROL, variant, prepared.control_space, trial, plan)


def find_origin(reference: str, sweep: str | None, out: Path, tracking_uri: str | None, scratch: Path) -> OriginalRun:
    """Return the run that a reference names.

    Args:
        reference: `SWEEP/trial-0003`, a trial's key with `sweep` given, or the id of a run in MLflow.
        sweep: name, id or folder of the sweep that a bare key belongs to.
        out: folder of sweeps.
        tracking_uri: of MLflow, for a run's id.
        scratch: folder for downloads.

    Raises:
        InputError: there is no such run, or its records are not enough to train it again.
    """
    place, _, key = reference.rpartition("/")
    if _KEY.fullmatch(key) and (place or sweep):
        return _from_folder(find_sweep(sweep or place, out), key)
    if is_run_id(reference):
        return _from_mlflow(reference, out, tracking_uri, scratch)
    raise InputError(f"{reference!r} names no run: give SWEEP/trial-0003, a key with --sweep, or the id of a run.")


def _from_folder(workspace: Workspace, key: str) -> OriginalRun:
    title, _, number = key.rpartition("-")
    study = next(study for study, known in KEY_PREFIX.items() if known == title)
    studies = read_studies(workspace)
    by_number = {trial.number: trial for trial in studies.get(study, [])}
    if int(number) not in by_number:
        raise InputError(f"The sweep {workspace.name} has no {key}; its {study} has {len(by_number)} trials.")
    trial = by_number[int(number)]
    searched = None
    if study == "confirm":
        source = trial.attributes["source"]
        if source is None:
            raise InputError(f"{key} is a run of the baselines, which are not trained in epochs.")
        where = studies["search" if source.startswith(KEY_PREFIX["search"]) else "control"]
        searched = next(other for other in where if other.number == int(source.rpartition("-")[2]))
    curve = _told(workspace.trials / key / EPOCHS, trial)
    if not curve:
        raise InputError(f"{key} of {workspace.name} has no epoch to compare with.")
    if trial.outcome is Outcome.COMPLETE:
        curve[FINAL] = _figures(trial.attributes.get("final", {}))
    return OriginalRun(
        name=f"{workspace.name}/{key}",
        workspace=workspace,
        spec=load_spec(workspace.spec),
        curve=curve,
        about=_read(workspace.provenance),
        study=study,
        trial=trial,
        searched=searched,
    )


def _told(history: Path, trial: LedgerTrial) -> Curve:
    """Return every figure of each epoch if the trial's folder has them, otherwise the objectives of the ledger."""
    curve: Curve = {epoch: {"val_srcc": value} for epoch, value in trial.epochs.items()}
    if history.is_file():
        for line in history.read_text(encoding="utf-8").splitlines():
            try:
                epoch = json.loads(line)
                if epoch["number"] in curve:
                    curve[epoch["number"]] = {**_figures(epoch["metrics"]), "val_srcc": epoch["objective"]}
            except (ValueError, KeyError, TypeError):
                continue  # the half line of a killed worker
    return curve


def _from_mlflow(run_id: str, out: Path, tracking_uri: str | None, scratch: Path) -> OriginalRun:
    from orchestrator.tracking.destination import resolve_existing_tracking_uri
    from orchestrator.tracking.mlflow_sink import KEY_TAG, SWEEP_TAG
    from orchestrator.tracking.quiet_mlflow import MlflowClient, MlflowException
    from orchestrator.tracking.recorder import SWEEP
    from orchestrator.tracking.run_facts import run_facts

    uri = resolve_existing_tracking_uri(tracking_uri)
    client = MlflowClient(tracking_uri=uri)
    try:
        run = client.get_run(run_id)
        tags = run_facts(client, run)
        if tags.get(KEY_TAG) == SWEEP:
            raise InputError(f"{run_id} is a whole sweep: give the id of one of its trials.")
        if "job" not in tags or "spec" not in tags:
            raise InputError(f"{run_id} has no record of its training: it is not a run of a sweep, or of an early one.")
        local = [workspace for workspace, spec in list_sweeps(out) if spec.id == tags[SWEEP_TAG]]
        workspace = local[0] if local else _download(client, tags["mlflow.parentRunId"], scratch)
        curve = _history(client, run)
    except MlflowException as error:
        raise InputError(f"MLflow at {uri} has no run {run_id} to train again: {reason(error)}") from error
    job = Job.from_dict(json.loads(tags["job"]))
    if not job.variant:
        raise InputError(f"{job.key} is a run of the baselines, which are not trained in epochs.")
    saved = load_spec(workspace.spec)
    spec = parse_spec(tags["spec"], f"The spec of run {run_id}")
    return OriginalRun(
        name=f"{spec.name}/{job.key}",
        workspace=workspace,
        # What is public of an address may not do to reach it.
        spec=spec.model_copy(update={"tracking_uri": saved.tracking_uri, "address": saved.address}),
        curve=curve,
        about=tags,
        study=job.study,
        job=job,
        run_id=run_id,
    )


def _download(client: Any, sweep_run: str, scratch: Path) -> Workspace:
    return Workspace(Path(client.download_artifacts(sweep_run, "sweep", str(scratch))))


def _history(client: Any, run: Run) -> Curve:
    curve: Curve = {}
    for name in _figures(run.data.metrics):
        for point in client.get_metric_history(run.info.run_id, name):
            curve.setdefault(point.step, {})[trained_name(name)] = point.value
    if run.data.tags.get("outcome") != str(Outcome.COMPLETE):
        curve.pop(FINAL, None)
    if not set(curve) - {FINAL}:
        raise InputError(f"{run.info.run_id} has no epoch to compare with.")
    return curve


def _figures(metrics: dict[str, float]) -> dict[str, float]:
    """Return the metrics that the numbers decide, without durations."""
    return {name: value for name, value in metrics.items() if not name.endswith("seconds")}


def _read(path: Path) -> dict[str, str]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}
