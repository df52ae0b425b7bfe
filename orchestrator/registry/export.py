"""A model given away: one folder or `.zip` of weights, JSON and text that can be scored with and checked."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from orchestrator.core.credentials import without_passwords
from orchestrator.core.errors import InputError, reason
from orchestrator.core.run_files import MODEL, PREDICTIONS
from orchestrator.registry.resolved_model import EXPORT, README, ResolvedModel
from orchestrator.scoring import ModelConfig
from orchestrator.scoring.save_load import read_config

_README = """# {title}

A model of HyperAssess that scores images: {targets}. {source}

| file | what |
|---|---|
| `model/` | the weights (safetensors) and what is needed beside them (JSON); nothing in it is code |
| `predictions.csv` | its validation and test images: true and predicted scores |
| `export.json` | where it comes from, and the hash that `model/` must have |

```sh
python -m orchestrator.score --model {name} --prompt "a red fox in snow" fox.png
python -m orchestrator.score --model {name} --check{data}   # the test images again
```

Encoders: {encoders}. Scores are in the units of the opinions that it was trained on, whose mean was {mean}.
"""


def export_model(found: ResolvedModel, to: Path) -> Path:
    """Writes the export; gives its path.

    Args:
        found: the model.
        to: a folder or a file ending in .zip; must not be there yet.

    Raises:
        InputError: `to` is there or cannot be written, or the model cannot be read.
    """
    to = to.expanduser().absolute()
    if to.exists():
        raise InputError(f"--to {to} is there already.")
    try:
        card = read_config(found.folder)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{found.folder} holds no model that can be read: {reason(error)}.") from error
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=to.parent, prefix=f".{to.name}-") as made:
            folder = Path(made) / to.name.removesuffix(".zip")
            folder.mkdir()
            _fill(folder, found, card)
            packed = _zipped(folder, Path(made) / "packed") if to.suffix == ".zip" else folder
            packed.replace(to)
    except OSError as error:
        raise InputError(f"--to {to} cannot be written: {reason(error)}.") from error
    return to


def _fill(folder: Path, found: ResolvedModel, card: ModelConfig) -> None:
    sha256 = found.verify()
    shutil.copytree(found.folder, folder / MODEL)
    if found.predictions is not None:
        shutil.copyfile(found.predictions, folder / PREDICTIONS)
    about = _public(found.about)
    (folder / EXPORT).write_text(json.dumps({"sha256": sha256, "about": about}, indent=1) + "\n")
    (folder / README).write_text(found.description if _is_ours(found) else _readme(folder.name, found, card))


def _is_ours(found: ResolvedModel) -> bool:
    """Whether it is an export that is exported again."""
    return (found.folder.parent / EXPORT).is_file()


def _readme(name: str, found: ResolvedModel, card: ModelConfig) -> str:
    about = _public(found.about)
    named = ("registered", "sweep", "run_key", "dataset", "protocol")
    source = ", ".join(f"{key.replace('_', ' ')} `{about[key]}`" for key in named if about.get(key))
    built_in = str(about.get("dataset", "")).startswith("shapes")
    text = _README.format(
        title=f"{card.variant}",
        targets=", ".join(card.targets),
        source=f"From {source}." if source else "",
        name=name,
        data="" if built_in else " --data-root FOLDER",
        encoders=", ".join(f"{kind.replace('_', ' ')} `{encoder}`" for kind, encoder in card.encoders.items()),
        mean=", ".join(f"{mean:.2f}" for mean in card.score_mean),
    )
    return f"{text}\n{found.description}\n" if found.description else text


def _public(about: Mapping[str, Any]) -> dict[str, Any]:
    """Without passwords, and of a data set that is a file only the file's name, not where it lies on this machine."""
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
