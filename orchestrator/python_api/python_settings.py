"""Settings of a sweep as Python values: tables, lists and mappings become the files and texts that a command takes."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_origin

from orchestrator.core.atomic_files import write_file
from orchestrator.core.errors import InputError
from orchestrator.core.near_matches import unknown_name_message
from orchestrator.core.option_metadata import setting_options
from orchestrator.core.spec import SweepSpec

if TYPE_CHECKING:
    import pandas as pd

_INPUTS = ".inputs"
"""Folder, in that of the sweeps, of the files that are made of Python values; no sweep can have this name."""

_ROOTS = {"dataset": "data_root", "test_dataset": "test_data_root"}

_SETTINGS = {setting.name: setting for setting in setting_options(SweepSpec)}


def convert_settings(settings: Mapping[str, Any], out: Path) -> dict[str, Any]:
    """Return settings of Python values as those of a command.

    Each file is written once: its folder is named after the SHA-256 of its content. So equal values are equal settings,
    and a sweep can be resumed, repeated and moved to a cluster without the values.

    Args:
        settings: name → value; None is the default.
        out: folder of the sweeps.

    Raises:
        InputError: there is no such setting, or a value cannot be written.
    """
    given = {name: value for name, value in settings.items() if value is not None}
    for name in given:
        if name not in _SETTINGS:
            raise InputError(unknown_name_message("setting", name, _SETTINGS))
    for name, root in _ROOTS.items():
        if _is_table(given.get(name)):
            given[name] = f"csv:{write_table(given[name], name, out)}"
            given.setdefault(root, Path.cwd())  # where the images' relative paths begin
    if _is_configuration(given.get("enqueue")):
        given["enqueue"] = [given["enqueue"]]
    for name in ("enqueue", "space"):
        if isinstance(given.get(name), (Mapping, list, tuple)):
            given[name] = _write_json(given[name], name, out)
    return {name: _convert(name, value) for name, value in given.items()}


def write_table(table: pd.DataFrame, name: str, out: Path) -> Path:
    """Write a DataFrame as a CSV file; return its path.

    Columns are as in a CSV data set. Levels of the index that have names are columns too.

    Args:
        table: rows of a data set; its images are paths.
        name: name of the setting, for messages.
        out: folder of the sweeps.

    Raises:
        InputError: a cell holds an array, a picture or another object.
    """
    import csv

    named = [level for level in table.index.names if level is not None and level not in table.columns]
    table = table.reset_index(named) if named else table
    for column in table.select_dtypes("object").columns:
        for cell in table[column]:
            if not isinstance(cell, (str, os.PathLike, int, float, type(None))):
                kind = type(cell).__name__
                raise InputError(
                    f"{name}: the column {column} holds {kind}: save images as files and name their paths."
                )
    text = table.to_csv(index=False, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
    return _write(text, "frame.csv", out)


def _is_table(value: Any) -> bool:
    return hasattr(value, "to_csv") and hasattr(value, "columns")


def _is_configuration(value: Any) -> bool:
    return isinstance(value, Mapping)


def _write_json(value: Any, name: str, out: Path) -> Path:
    try:
        return _write(json.dumps(value, indent=1, default=_plain) + "\n", f"{name}.json", out)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name}: it cannot be written as JSON: {error}.") from error


def _plain(value: Any) -> Any:
    """Return a scalar of NumPy, as tables have them, as a number of Python's."""
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"{type(value).__name__} is not a number, a text, a list or a mapping")


def _write(text: str, file: str, out: Path) -> Path:
    folder = hashlib.sha256(text.encode()).hexdigest()[:16]
    path = (out / _INPUTS / folder / file).absolute()
    if not path.is_file():
        try:
            write_file(path, text, concurrent=True)
        except OSError as error:
            raise InputError(f"{out} cannot be written: choose another folder with out=.") from error
    return path


def _convert(name: str, value: Any) -> Any:
    setting = _SETTINGS[name]
    if get_origin(setting.field.annotation) is not tuple:
        return value
    if isinstance(value, Mapping):  # columns={"image": "file"}, retries={"hang": 0}
        return tuple(f"{key}={inner}" for key, inner in value.items())
    if isinstance(value, str):
        return (value,) if setting.option.repeatable else setting.read(value)
    return tuple(map(str, value)) if isinstance(value, Sequence) else value
