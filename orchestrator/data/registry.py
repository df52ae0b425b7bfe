"""The datasets there are, by name."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from orchestrator.core.errors import InputError
from orchestrator.data.dataset import Dataset
from orchestrator.data.progress import Progress, silent
from orchestrator.data.source import Source
from orchestrator.data.validate import RawDataset, check_dataset

Loader = Callable[[str, "Path | None", Progress], RawDataset]


@dataclass(frozen=True)
class _Entry:
    load: Loader
    argument: str
    source: Source | None


_entries: dict[str, _Entry] = {}


def register_dataset(name: str, argument: str = "", source: Source | None = None) -> Callable[[Loader], Loader]:
    """Make a loader known under a name.

    Args:
        name: what is written before the colon of a spec.
        argument: what must be written after the colon, for example "FILE"; in brackets where it may be left
            out, for example "[SEED]"; empty where nothing may be there.
        source: where it is published; None where nobody has to fetch it.
    """

    def register(load: Loader) -> Loader:
        if name in _entries:
            raise ValueError(f"a dataset named {name!r} is registered already")
        _entries[name] = _Entry(load, argument, source)
        return load

    return register


def list_datasets() -> list[str]:
    """What may be asked for, for example ["agiqa3k", "csv:FILE", "shapes[:SEED]"]."""
    return [_usage(name) for name in sorted(_load_entries())]


def load_dataset(spec: str, data_root: Path | None = None, progress: Progress | None = None) -> Dataset:
    """Load and check a dataset.

    Args:
        spec: a name, or a name and its argument: `shapes`, `agiqa3k`, `csv:scores.csv`.
        data_root: the folder that holds the data, for datasets that are not built in.
        progress: told about anything that takes seconds.

    Raises:
        InputError: unknown dataset, missing folder, file or column, or more than 5 % of the rows unusable.
    """
    tell = progress or silent
    return check_dataset(read_dataset(spec, data_root, tell), tell)


def read_dataset(spec: str, data_root: Path | None, progress: Progress) -> RawDataset:
    """The rows that a dataset's files name, none of them checked yet.

    Raises:
        InputError: unknown dataset, or a missing folder, file or column.
    """
    entry, colon, argument = _look_up(spec)
    wanted = entry.argument
    required = bool(wanted) and not wanted.startswith("[")
    if (argument and not wanted) or (required and not argument) or (colon and not argument):
        raise InputError(f"The dataset '{spec}' should read {_usage(spec.partition(':')[0])}.")
    if data_root is not None and not data_root.is_dir():
        raise InputError(f"The data folder {data_root} does not exist or is no folder.")
    return entry.load(argument, data_root, progress)


def dataset_source(spec: str) -> Source | None:
    """Where a data set is published; None for what is built in or is the user's own.

    Raises:
        InputError: unknown dataset.
    """
    return _look_up(spec)[0].source


def _look_up(spec: str) -> tuple[_Entry, str, str]:
    """The entry of a spec, its colon if there is one, and what stands behind it."""
    entries = _load_entries()
    name, colon, argument = spec.partition(":")
    if name not in entries:
        near = difflib.get_close_matches(name, entries, n=2, cutoff=0.5)
        known = f"There are {', '.join(list_datasets())}."
        hint = f"Did you mean {' or '.join(near)}? {known}" if near else known
        raise InputError(f"No dataset is named '{name}'. {hint}")
    return entries[name], colon, argument


def _load_entries() -> dict[str, _Entry]:
    from orchestrator.data import datasets

    for module in pkgutil.iter_modules(datasets.__path__, f"{datasets.__name__}."):
        importlib.import_module(module.name)
    return _entries


def _usage(name: str) -> str:
    argument = _entries[name].argument
    if argument.startswith("["):
        return f"{name}[:{argument[1:]}"
    return f"{name}:{argument}" if argument else name
