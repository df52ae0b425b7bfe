"""A sweep as one folder or file to give away: what was asked for, what was found, and the model."""

from __future__ import annotations

import json
import re
import shutil
import tarfile
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from orchestrator.core.errors import InputError
from orchestrator.core.spec import load_spec
from orchestrator.core.sweep_folder import Workspace
from orchestrator.core.training_files import MODEL
from orchestrator.core.url_passwords import without_passwords
from orchestrator.reporting.sweep_record import read_sweep_record

_README = """# {name}

A sweep of {variant} on {dataset}, exported by HyperAssess. {state}

| file | what |
|---|---|
| `spec.yaml`, `space.yaml`, `splits/` | the settings, without folders of the machine it ran on |
| `ledger.journal`, `trials.csv`, `epochs.csv` | every trial and every epoch, as Optuna's journal and as tables |
| `report/`, `result.json` | what was found |
| `predictions/` | scores of each confirm run on its validation and test images |
| `models/best`, `models/control` | the models that stand for the best configurations (safetensors, JSON) |

`python -m orchestrator.score --model models/best --prompt TEXT IMAGE…` scores images.
"""


def export_sweep(workspace: Workspace, to: Path) -> Path:
    """Write the export and return its path.

    Args:
        workspace: of the sweep, finished or not.
        to: a file ending in .zip or .tar.gz, or a folder; must not exist.

    Raises:
        InputError: `to` exists, or the sweep cannot be read.
    """
    to = to.expanduser().absolute()
    if to.exists():
        raise InputError(f"--to {to} is there already.")
    to.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=to.parent, prefix=f".{to.name}-") as made:
        folder = Path(made) / workspace.name
        folder.mkdir()
        _fill(folder, workspace)
        packed = Path(made) / "packed"
        if to.suffix == ".zip":
            _zip(folder, packed)
        elif to.name.endswith((".tar.gz", ".tgz")):
            with tarfile.open(packed, "w:gz") as file:
                file.add(folder, arcname=folder.name)
        else:
            packed = folder
        packed.replace(to)
    return to


def _fill(folder: Path, workspace: Workspace) -> None:
    spec = load_spec(workspace.spec)
    settings = _public(json.loads(spec.model_dump_json()))
    (folder / "spec.yaml").write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
    for path in (workspace.identity, workspace.result):
        if path.is_file():
            (folder / path.name).write_text(
                json.dumps(_public(json.loads(path.read_text(encoding="utf-8"))), indent=1) + "\n", encoding="utf-8"
            )
    for path in (workspace.space, workspace.first, workspace.ledger):
        if path.is_file():
            shutil.copyfile(path, folder / path.name)
    for path in (workspace.splits, workspace.report):
        if path.is_dir():
            shutil.copytree(path, folder / path.name)
    for path in sorted(workspace.trials.glob("*/predictions.csv")):
        (folder / "predictions").mkdir(exist_ok=True)
        shutil.copyfile(path, folder / "predictions" / f"{path.parent.name}.csv")
    record = read_sweep_record(workspace)
    record.trials_table().to_csv(folder / "trials.csv", index=False)
    record.epochs_table().to_csv(folder / "epochs.csv", index=False)
    finished = workspace.result.is_file()
    if finished:
        _copy_models(folder, workspace, json.loads(workspace.result.read_text(encoding="utf-8")))
    state = "" if finished else "It was not finished."
    readme = _README.format(name=spec.name, variant=spec.variant, dataset=settings["dataset"], state=state)
    (folder / "README.md").write_text(readme, encoding="utf-8")


def _copy_models(folder: Path, workspace: Workspace, result: dict[str, Any]) -> None:
    for part in ("best", "control"):
        run = (result.get(part) or {}).get("run")
        if run and (workspace.trials / run / MODEL).is_dir():
            shutil.copytree(workspace.trials / run / MODEL, folder / "models" / part)


def _public(value: Any) -> Any:
    """Return the value without passwords, and with a path of this machine cut to its last part."""
    if isinstance(value, dict):
        return {key: _public(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_public(inner) for inner in value]
    if not isinstance(value, str):
        return value
    scheme, path = re.fullmatch(r"((?:[a-z]+:(?://)?)?)(.*)", value, re.DOTALL).groups()  # type: ignore[union-attr]
    if scheme in {"", "csv:", "file:", "file://", "sqlite://"} and path.startswith("/"):
        return f"{scheme}{'/' if scheme == 'sqlite://' else ''}{Path(path).name}"
    return without_passwords(value)


def _zip(folder: Path, packed: Path) -> None:
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        for path in sorted(folder.rglob("*")):
            file.write(path, path.relative_to(folder.parent))
