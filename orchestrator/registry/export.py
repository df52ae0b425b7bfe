"""Export of a model to one folder or `.zip` of weights, JSON and text."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from orchestrator.core.errors import InputError, reason
from orchestrator.core.training_files import MODEL, PREDICTIONS
from orchestrator.core.url_passwords import without_passwords
from orchestrator.registry.resolved_model import EXPORT, README, ResolvedModel
from orchestrator.scoring import ModelConfig
from orchestrator.scoring.save_load import read_config

_README = """# {title}

A model of HyperAssess that scores images: {targets}. {source}

| file | what |
|---|---|
| `model/` | weights (safetensors) and settings (JSON), without code |
| `predictions.csv` | true and predicted scores of its validation and test images |
| `export.json` | origin of the model, and the hash of `model/` |

```sh
python -m orchestrator.score --model {name} --prompt "a red fox in snow" fox.png
python -m orchestrator.score --model {name} --check{data}   # score the test images again
```

Encoders: {encoders}. Scores are in the units of the training scores, whose mean was {mean}.
"""


def export_model(model: ResolvedModel, to: Path) -> Path:
    """Write the export and return its path.

    Args:
        model: the model.
        to: a folder, or a file ending in .zip; it must not exist yet.

    Raises:
        InputError: `to` exists or cannot be written, or the model cannot be read.
    """
    to = to.expanduser().absolute()
    if to.exists():
        raise InputError(f"--to {to} exists already.")
    try:
        config = read_config(model.folder)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{model.folder} is not a readable model: {reason(error)}.") from error
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=to.parent, prefix=f".{to.name}-") as temporary:
            folder = Path(temporary) / to.name.removesuffix(".zip")
            folder.mkdir()
            _fill(folder, model, config)
            packed = _zipped(folder, Path(temporary) / "packed") if to.suffix == ".zip" else folder
            packed.replace(to)
    except OSError as error:
        raise InputError(f"--to {to} cannot be written: {reason(error)}.") from error
    return to


def _fill(folder: Path, model: ResolvedModel, config: ModelConfig) -> None:
    sha256 = model.verify()
    shutil.copytree(model.folder, folder / MODEL)
    if model.predictions is not None:
        shutil.copyfile(model.predictions, folder / PREDICTIONS)
    about = _public(model.about)
    (folder / EXPORT).write_text(json.dumps({"sha256": sha256, "about": about}, indent=1) + "\n", encoding="utf-8")
    (folder / README).write_text(
        model.description if _is_export(model) else _readme(folder.name, model, config), encoding="utf-8"
    )


def _is_export(model: ResolvedModel) -> bool:
    """Return whether the model is itself an export."""
    return (model.folder.parent / EXPORT).is_file()


def _readme(name: str, model: ResolvedModel, config: ModelConfig) -> str:
    about = _public(model.about)
    keys = ("registered", "sweep", "run_key", "dataset", "protocol")
    source = ", ".join(f"{key.replace('_', ' ')} `{about[key]}`" for key in keys if about.get(key))
    built_in = str(about.get("dataset", "")).startswith("shapes")
    text = _README.format(
        title=f"{config.variant}",
        targets=", ".join(config.targets),
        source=f"From {source}." if source else "",
        name=name,
        data="" if built_in else " --data-root FOLDER",
        encoders=", ".join(f"{kind.replace('_', ' ')} `{encoder}`" for kind, encoder in config.encoders.items()),
        mean=", ".join(f"{mean:.2f}" for mean in config.score_mean),
    )
    return f"{text}\n{model.description}\n" if model.description else text


def _public(about: Mapping[str, Any]) -> dict[str, Any]:
    """Return the origin without passwords, and with the file name only of a data set that is a file."""
    public = {key: without_passwords(value) if isinstance(value, str) else value for key, value in about.items()}
    scheme, colon, path = str(public.get("dataset", "")).rpartition(":")
    if "/" in path and scheme in {"", "csv"}:
        public["dataset"] = f"{scheme}{colon}{Path(path).name}"
    return public


def _zipped(folder: Path, packed: Path) -> Path:
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        for path in sorted(folder.rglob("*")):
            file.write(path, path.relative_to(folder.parent))
    return packed
