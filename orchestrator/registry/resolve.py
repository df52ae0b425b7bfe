"""From what a person calls a model to its files: an alias, a version, a run, a sweep, an export."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from orchestrator.core.errors import InputError
from orchestrator.core.run_files import MODEL, PREDICTIONS
from orchestrator.registry.resolved_model import EXPORT, ResolvedModel, from_export, unpack

if TYPE_CHECKING:
    from orchestrator.registry.model_store import DownloadedModel, ModelStore
    from orchestrator.scoring import Scorer

_VERSION = re.compile(r"(?P<name>[^/@]+)(?:@(?P<alias>[\w.-]+)|/(?P<version>\d+))")
_RUN = re.compile(r"[0-9a-f]{32}")


@contextmanager
def resolve_model(reference: str, sweeps: Path, tracking_uri: str | None = None) -> Iterator[ResolvedModel]:
    """The model that is meant; what had to be downloaded or unpacked is gone at the end.

    Args:
        reference: `text_hyper@champion`, `text_hyper/3` (each also after `models:/`), the id of a run in MLflow, an
            exported folder or `.zip`, a model's folder, or a finished sweep by name, id or folder.
        sweeps: folder that sweeps live in.
        tracking_uri: MLflow's; see `resolve_tracking_uri`.

    Raises:
        InputError: there is no such model, or it is not the one that somebody vouches for.
    """
    with TemporaryDirectory() as scratch:
        found = _find(reference, sweeps, tracking_uri, Path(scratch))
        found.verify()
        yield found


def load_found(found: ResolvedModel, device: str = "cpu") -> Scorer:
    """A scorer of a model that was found; raises InputError where this installation cannot score with it."""
    from orchestrator.scoring import ModelLoadError, load_scorer
    from orchestrator.scoring.percentiles import from_tag

    try:
        scorer = load_scorer(found.folder, device)
    except ModelLoadError as error:
        raise InputError(str(error)) from error
    if found.mos_quantiles and not scorer.config.mos_quantiles:
        scorer.config = replace(scorer.config, mos_quantiles=from_tag(found.mos_quantiles))
    return scorer


def _find(reference: str, sweeps: Path, tracking_uri: str | None, scratch: Path) -> ResolvedModel:
    place = Path(reference).expanduser()
    if (place / "model.json").is_file():
        return ResolvedModel(place, str(place))
    if (place / EXPORT).is_file():
        return from_export(place)
    if place.suffix == ".zip" and place.is_file():
        return replace(from_export(unpack(place, scratch)), name=str(place))
    registered = _VERSION.fullmatch(reference.removeprefix("models:/"))
    if registered and not (place / "spec.yaml").is_file():
        store = _store(tracking_uri, scratch)
        return _from_mlflow(store.version(registered["name"], registered["version"], registered["alias"]), store)
    if _RUN.fullmatch(reference):
        store = _store(tracking_uri, scratch)
        return _from_mlflow(store.of_run(reference), store)
    return _from_sweep(reference, sweeps)


def _store(tracking_uri: str | None, scratch: Path) -> ModelStore:
    from orchestrator.registry.model_store import ModelStore
    from orchestrator.tracking.destination import resolve_tracking_uri

    return ModelStore(resolve_tracking_uri(tracking_uri), scratch)


def _from_mlflow(fetched: DownloadedModel, store: ModelStore) -> ResolvedModel:
    tags = {**store.run_tags(fetched.run_id), **fetched.tags}
    about: dict[str, Any] = {
        key: tags[key] for key in ("registered", "run_key", "data_hash", "git.commit") if key in tags
    }
    about |= {"mlflow_run": fetched.run_id}
    try:
        spec = json.loads(tags["spec"])
        about |= {key: spec[key] for key in ("dataset", "protocol")} | {"sweep": spec["name"]}
    except (KeyError, ValueError, TypeError):
        pass
    return ResolvedModel(
        folder=fetched.folder,
        name=tags.get("registered", fetched.run_id),
        sha256=fetched.sha256,
        about=about,
        predictions=store.predictions(fetched.run_id),
        description=fetched.description,
        mos_quantiles=fetched.mos_quantiles,
    )


def _from_sweep(reference: str, sweeps: Path) -> ResolvedModel:
    from orchestrator.core.spec import load_spec
    from orchestrator.core.workspace import find_sweep

    workspace = find_sweep(reference, sweeps)
    if not workspace.result.is_file():
        raise InputError(f"The sweep {workspace.name} is not finished, so it has no best model yet.")
    best = json.loads(workspace.result.read_text())["best"]
    run = best["run"] if best and best.get("run") else None
    folder = workspace.trials / run / MODEL if run else None
    if run is None or folder is None or not folder.is_dir():
        raise InputError(f"The sweep {workspace.name} confirmed no configuration, so it has no model to score with.")
    spec = load_spec(workspace.spec)
    about = {"sweep": workspace.name, "run_key": run, "dataset": spec.dataset, "protocol": spec.protocol}
    if workspace.identity.is_file():
        about["data_hash"] = json.loads(workspace.identity.read_text()).get("data")
    predictions = workspace.trials / run / PREDICTIONS
    return ResolvedModel(folder, str(folder), about=about, predictions=predictions if predictions.is_file() else None)
