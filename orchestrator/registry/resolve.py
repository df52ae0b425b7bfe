"""Resolution of a reference to a model's files: an alias, a version, a run, a sweep or an export."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from orchestrator.core.errors import InputError
from orchestrator.core.training_files import MODEL, PREDICTIONS
from orchestrator.registry.resolve_process import find_in_process
from orchestrator.registry.resolved_model import EXPORT, ResolvedModel, from_export, unpack
from orchestrator.registry.version_reference import parse_version
from orchestrator.tracking.run_id_format import is_run_id

if TYPE_CHECKING:
    from orchestrator.registry.download_models import DownloadedModel, ModelStore
    from orchestrator.scoring import Scorer


@contextmanager
def resolve_model(
    reference: str, sweeps: Path, tracking_uri: str | None = None, meanwhile: Callable[[], object] | None = None
) -> Iterator[ResolvedModel]:
    """Resolve a reference; delete downloaded and unpacked files when the context ends.

    Args:
        reference: `text_hyper@champion` or `text_hyper/3`, each also after `models:/`; or the id of an MLflow run, a
            finished sweep, a model's folder, an exported folder or `.zip`.
        sweeps: folder that sweeps live in.
        tracking_uri: URI of MLflow; see `resolve_tracking_uri`.
        meanwhile: function to call while another process asks MLflow; None to ask it in this process.

    Raises:
        InputError: the model does not exist, or its files do not match the recorded digest.
    """
    with TemporaryDirectory() as scratch:
        model = _find(reference, sweeps, tracking_uri, Path(scratch), meanwhile)
        model.verify()
        yield model


def load_found(model: ResolvedModel, device: str = "cpu") -> Scorer:
    """Load the scorer of a resolved model; raise InputError if this installation cannot score with it."""
    from orchestrator.scoring import ModelLoadError, load_scorer
    from orchestrator.scoring.percentiles import from_tag

    try:
        scorer = load_scorer(model.folder, device)
    except ModelLoadError as error:
        raise InputError(str(error)) from error
    if model.mos_quantiles and not scorer.config.mos_quantiles:
        scorer.config = replace(scorer.config, mos_quantiles=from_tag(model.mos_quantiles))
    return scorer


def find_in_mlflow(reference: str, tracking_uri: str | None, scratch: Path) -> ResolvedModel:
    """Download a registered version or a run's model; raise InputError if it does not exist."""
    store = _store(tracking_uri, scratch)
    version = parse_version(reference)
    return _from_mlflow(store.version(version) if version else store.of_run(reference), store)


def _find(
    reference: str, sweeps: Path, tracking_uri: str | None, scratch: Path, meanwhile: Callable[[], object] | None
) -> ResolvedModel:
    path = Path(reference).expanduser()
    if (path / "model.json").is_file():
        return ResolvedModel(path, str(path))
    if (path / EXPORT).is_file():
        return from_export(path)
    if path.suffix == ".zip" and path.is_file():
        return replace(from_export(unpack(path, scratch)), name=str(path))
    is_version = parse_version(reference) is not None and not (path / "spec.yaml").is_file()
    if is_version or is_run_id(reference):
        found = find_in_process(reference, tracking_uri, scratch, meanwhile) if meanwhile else None
        return found or find_in_mlflow(reference, tracking_uri, scratch)
    return _from_sweep(reference, sweeps)


def _store(tracking_uri: str | None, scratch: Path) -> ModelStore:
    from orchestrator.registry.download_models import ModelStore
    from orchestrator.tracking.destination import resolve_existing_tracking_uri

    return ModelStore(resolve_existing_tracking_uri(tracking_uri), scratch)


def _from_mlflow(downloaded: DownloadedModel, store: ModelStore) -> ResolvedModel:
    tags = {**store.run_facts(downloaded.run_id), **downloaded.tags}
    about: dict[str, Any] = {
        key: tags[key] for key in ("registered", "run_key", "data_hash", "git.commit") if key in tags
    }
    about |= {"mlflow_run": downloaded.run_id}
    try:
        spec = json.loads(tags["spec"])
        about |= {key: spec[key] for key in ("dataset", "protocol")} | {"sweep": spec["name"]}
        about |= {"columns": spec["columns"]} if spec.get("columns") else {}
    except (KeyError, ValueError, TypeError):
        pass
    return ResolvedModel(
        folder=downloaded.folder,
        name=tags.get("registered", downloaded.run_id),
        sha256=downloaded.sha256,
        about=about,
        predictions=store.predictions(downloaded.run_id),
        description=downloaded.description,
        mos_quantiles=downloaded.mos_quantiles,
    )


def _from_sweep(reference: str, sweeps: Path) -> ResolvedModel:
    from orchestrator.core.spec import load_spec
    from orchestrator.core.sweep_folder import find_sweep

    workspace = find_sweep(reference, sweeps)
    if not workspace.result.is_file():
        raise InputError(f"The sweep {workspace.name} has not finished, so it has no best model yet.")
    best = json.loads(workspace.result.read_text(encoding="utf-8"))["best"]
    run = best["run"] if best and best.get("run") else None
    folder = workspace.trials / run / MODEL if run else None
    if run is None or folder is None or not folder.is_dir():
        raise InputError(
            f"The sweep {workspace.name} has no confirmed configuration, so it has no model to score with."
        )
    spec = load_spec(workspace.spec)
    about: dict[str, Any] = {
        "sweep": workspace.name,
        "run_key": run,
        "dataset": spec.dataset,
        "protocol": spec.protocol,
    }
    about |= {"columns": list(spec.columns)} if spec.columns else {}
    if workspace.identity.is_file():
        about["data_hash"] = json.loads(workspace.identity.read_text(encoding="utf-8")).get("data")
    predictions = workspace.trials / run / PREDICTIONS
    return ResolvedModel(folder, str(folder), about=about, predictions=predictions if predictions.is_file() else None)
