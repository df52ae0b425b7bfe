"""Record a sweep's own run: its start, its end, and its ids in MLflow."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Any

from rich.console import Console

from orchestrator.core.spec import SweepSpec
from orchestrator.core.sweep_folder import Workspace
from orchestrator.core.training_files import MODEL
from orchestrator.core.url_passwords import without_passwords
from orchestrator.execution.prepare import PreparedSweep
from orchestrator.tracking.destination import experiment_name
from orchestrator.tracking.recorder import SWEEP, Recorder, now_ms
from orchestrator.tracking.run_details import RunDetails, dataset_event, run_details
from orchestrator.tracking.shared_view import LOCAL_SERVER, runs_address, view_tag
from orchestrator.tracking.spool import Spool
from orchestrator.tracking.uploader import SpoolUploader
from orchestrator.tracking.uploader_process import UploaderProcess

if TYPE_CHECKING:
    from orchestrator.data import FeatureSet
    from orchestrator.execution.job import Job

_REASON_LENGTH = 200
"""Longest reason of MLflow that is printed; the sweep's log has all of it."""


def log_sweep_start(prepared: PreparedSweep, workspace: Workspace, recorder: Recorder, description: str) -> None:
    """Log the start of the sweep's run: settings, provenance, data set, splits and a description in Markdown."""
    from orchestrator.execution.machine_tags import device_name, training_device
    from orchestrator.tracking.provenance import filter_tags, provenance, public_settings

    spec, dataset = prepared.spec, prepared.dataset
    split = prepared.splits[0]
    settings = json.loads(spec.model_dump_json(exclude={"id", "name", "created", "schema_version"}))
    settings["targets"] = ",".join(prepared.targets)
    settings["encoders"] = ",".join(dict.fromkeys(prepared.encoders.values()))
    params = {key: without_passwords(str(value)) for key, value in settings.items() if value is not None}
    note = {"mlflow.note.content": description}
    tags = {
        **note,
        **filter_tags(),
        "data_hash": dataset.data_hash,
        "seed": spec.seed,
        "device": device_name(training_device(spec.gpus)),
        "spec": public_settings(spec),
        **({"data_notes": " ".join(dataset.notes)} if dataset.notes else {}),
        "budget": spec.trials,  # a tag, since a parameter could not change when the budget is raised
        "outcome": "running",
    }
    if recorder.spooled(SWEEP).start is None:  # later, the view and the text may be the user's
        recorder.record("experiment", SWEEP, **_experiment(prepared))
    recorder.record("start", SWEEP, name=spec.name, params=params, tags=tags)
    recorder.record("tags", SWEEP, tags=tags)
    recorder.log_provenance(SWEEP, {**provenance(), **prepared.identity()})
    recorder.record("dataset", SWEEP, **dataset_event(prepared, split))
    if prepared.cross:
        recorder.record("dataset", SWEEP, **prepared.cross.as_input(spec))
    records = (public_spec(workspace), workspace.space, workspace.identity, workspace.splits)
    for path in (*records, *workspace.earlier_spaces()):
        recorder.record("artifacts", SWEEP, path=str(path), into="sweep" if path.is_file() else "sweep/splits")


def _experiment(prepared: PreparedSweep) -> dict[str, Any]:
    """Return the data of the event `experiment`: tags to set, and tags to set unless the experiment has them."""
    spec = prepared.spec
    # A rate of learning first, then in the order of the space.
    parameters = sorted(prepared.space.default_params(), key=lambda name: "lr" not in name.split("_"))
    control = " and of its control `plain_head`" if prepared.control_space else ""
    note = (
        f"Sweeps of the variant `{spec.variant}`{control} on the data set `{prepared.dataset.name}`. "
        "A sweep is a run with its trials below it. Under *Views*, each sweep has its trials sorted by validation SRCC."
    )
    return {
        "tags": view_tag(spec.id, spec.name, parameters, now_ms()),
        "defaults": {"mlflow.note.content": note},
    }


def public_spec(workspace: Workspace) -> Path:
    """Return the file of the spec or, if a URL in it has a user, a copy without user and password."""
    text = workspace.spec.read_text(encoding="utf-8")
    public = without_passwords(text)
    if public == text:
        return workspace.spec
    copy = workspace.root / "public" / workspace.spec.name
    copy.parent.mkdir(exist_ok=True)
    copy.write_text(public, encoding="utf-8")
    return copy


def log_sweep_end(
    prepared: PreparedSweep, workspace: Workspace, recorder: Recorder, summary: Any, description: str
) -> None:
    """Log the models, the report and the headline metrics, and end the sweep's run."""
    dataset = dataset_event(prepared, prepared.splits[0])
    for line in summary.confirmed:
        if line.representative:
            folder = workspace.trials / line.representative / MODEL
            if folder.is_dir():
                name = f"{line.variant}-{line.source}"
                recorder.log_model(
                    line.representative,
                    folder,
                    name=name,
                    targets=list(prepared.targets),
                    dataset=(dataset["name"], dataset["digest"]),
                    criteria=prepared.spec.criteria is not None and line.study == "search",
                )
    recorder.record("artifacts", SWEEP, path=str(workspace.report), into="report")
    recorder.record("tags", SWEEP, tags={"mlflow.note.content": description, "outcome": "complete"})
    recorder.log_final(SWEEP, summary.headline_metrics(), now_ms())
    recorder.record("end", SWEEP, status="FINISHED")


def mlflow_ids(
    spec: SweepSpec, tracking_uri: str, uploader: SpoolUploader | UploaderProcess, result: dict[str, Any]
) -> dict[str, Any]:
    """Return the sweep's ids in MLflow; add those of the best configurations to `result` if they have arrived."""
    sink: Any = uploader.sink
    ids: dict[str, Any] = {
        "tracking_uri": tracking_uri,
        "experiment": experiment_name(spec),
        "experiment_id": sink.experiment_id if sink else None,
        "run_id": sink.run_id(SWEEP) if sink else None,
        "page": runs_address(_server(tracking_uri), sink.experiment_id, spec.id) if sink else None,
    }
    for part in ("best", "control"):
        if result[part]:
            result[part]["mlflow_run_id"] = sink.run_id(result[part]["run"] or result[part]["source"]) if sink else None
    return ids


def _server(tracking_uri: str) -> str:
    """Return the address of MLflow's pages; for a database, that of `mlflow ui`."""
    return tracking_uri if tracking_uri.startswith("http") else LOCAL_SERVER


def job_details(prepared: PreparedSweep, features: FeatureSet) -> Callable[[Job], RunDetails]:
    """Return the function that describes a job's run."""
    from orchestrator.execution.machine_tags import training_device

    return run_details(
        prepared.spec,
        prepared.dataset.data_hash,
        {index: split.hash for index, split in prepared.splits.items()},
        features.identity,
        training_device(prepared.spec.gpus),
        {index: dataset_event(prepared, split) for index, split in prepared.splits.items()},
    )


def report_pending(
    console: Console, spool: Spool, uploader: SpoolUploader | UploaderProcess, tracking_uri: str
) -> None:
    """Close the uploader and print how many events have not arrived."""
    if unsent := uploader.close(timeout=60):
        why = f" ({shorten(uploader.error, _REASON_LENGTH)})" if uploader.error else ""
        where = (
            "are lost with this process, and a resume restores them" if spool.write_error else f"wait in {spool.folder}"
        )
        console.print(
            f"{unsent} events have not reached MLflow at {tracking_uri}{why}. They {where}. "
            f"Send them with: python -m orchestrator.sync {spool.folder.parent}",
            style="yellow",
            soft_wrap=True,
            markup=False,
        )
    if refused := spool.refused():
        console.print(
            f"MLflow refused {refused} events; {spool.folder / 'refused.jsonl'} has them with the reasons.",
            style="yellow",
            soft_wrap=True,
        )
