"""Registry of data sets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.name_registry import Registry
from orchestrator.core.errors import InputError
from orchestrator.core.near_matches import look_up
from orchestrator.data.dataset import Dataset
from orchestrator.data.progress import Progress, silent
from orchestrator.data.publisher import Source
from orchestrator.data.validate import RawDataset, check_dataset

Loader = Callable[..., RawDataset]


@dataclass(frozen=True)
class _Entry:
    load: Loader
    argument: str
    source: Source | None
    names_columns: bool = False


def _usage(name: str, entry: _Entry) -> str:
    if entry.argument.startswith("["):
        return f"{name}[:{entry.argument[1:]}"
    return f"{name}:{entry.argument}" if entry.argument else name


DATASETS: Registry[_Entry] = Registry("data set", "orchestrator.data.datasets", "hyperassess.datasets", _usage)
"""All data sets; the modules of `orchestrator/data/datasets/` and plug-ins register them."""


def register_dataset(
    name: str, argument: str = "", source: Source | None = None, names_columns: bool = False
) -> Callable[[Loader], Loader]:
    """Register the decorated loader.

    The loader is called with the argument, the folder of the data or None, and a function that shows progress.

    Args:
        name: The part of a spec before the colon.
        argument: The part after the colon, for example "FILE". It is in brackets if it is optional, for example
            "[SEED]", and empty if a colon is not allowed.
        source: Where the data set is published; None if it need not be downloaded.
        names_columns: Whether the loader takes the keyword `columns`: what a column holds → its name in the table.

    Raises:
        ValueError: The name is registered already.

    Example:
        >>> @register_dataset("ratings", argument="FILE")
        ... def load_ratings(argument, data_root, progress): ...
        >>> "ratings:FILE" in list_datasets()
        True
        >>> DATASETS.remove("ratings")
    """

    def register(load: Loader) -> Loader:
        DATASETS.add(name, _Entry(load, argument, source, names_columns), load.__module__)
        return load

    return register


def list_datasets() -> list[str]:
    """Return how each data set is written, for example ["agiqa3k", "csv:FILE", "shapes[:SEED]"].

    Example:
        >>> "csv:FILE" in list_datasets()
        True
    """
    return list(DATASETS.usages().values())


def load_dataset(
    spec: str,
    data_root: Path | None = None,
    progress: Progress | None = None,
    columns: Iterable[str] = (),
    targets: Sequence[str] = (),
) -> Dataset:
    """Load and check a data set.

    Args:
        spec: A name, or a name and its argument: `shapes`, `agiqa3k`, `csv:scores.csv`.
        data_root: Folder that holds the data, for data sets that are not built in.
        progress: Called with progress during slow steps.
        columns: Names of columns, such as "image=file"; see `read_dataset`.
        targets: Scores that will be learned; all if empty.

    Raises:
        InputError: The data set is unknown, or a folder, file or column is missing. Also if more than 5 % of the rows
            are unusable, or a score cannot be learned.
    """
    report = progress or silent
    return check_dataset(read_dataset(spec, data_root, report, columns), report, targets)


def read_dataset(spec: str, data_root: Path | None, progress: Progress, columns: Iterable[str] = ()) -> RawDataset:
    """Read the rows that a data set's files name; nothing is checked yet.

    Args:
        spec: As for `load_dataset`.
        data_root: Folder that holds the data, for data sets that are not built in.
        progress: Called with progress during slow steps.
        columns: `ROLE=COLUMN`: image, prompt, name, generator, group or a score, and its column in the user's table.

    Raises:
        InputError: The data set is unknown, or a folder, file or column is missing.
    """
    name, colon, argument = spec.partition(":")
    entry = look_up(DATASETS, name)
    wanted = entry.argument
    required = bool(wanted) and not wanted.startswith("[")
    if (argument and not wanted) or (required and not argument) or (colon and not argument):
        raise InputError(f"The dataset '{spec}' should read {_usage(name, entry)}.")
    if data_root is not None and not data_root.is_dir():
        raise InputError(f"The data folder {data_root} does not exist or is not a folder.")
    named = column_roles(columns)
    if named and not entry.names_columns:
        raise InputError(f"--columns names columns of csv:FILE; {name} has its own.")
    options: dict[str, Any] = {"columns": named} if named else {}
    return entry.load(argument, data_root, progress, **options)


def column_roles(columns: Iterable[str]) -> dict[str, str]:
    """Return role → column for texts such as "image=file".

    Raises:
        InputError: A text has another form, or a role is given twice.

    Example:
        >>> column_roles(["image=file", "alignment=mos"])
        {'image': 'file', 'alignment': 'mos'}
    """
    roles: dict[str, str] = {}
    for text in columns:
        role, equals, column = (part.strip() for part in text.partition("="))
        if not (role and equals and column):
            raise InputError(f"--columns takes ROLE=COLUMN, such as image=file,alignment=mos, not '{text}'.")
        if role in roles:
            raise InputError(f"--columns names {role} twice: {roles[role]} and {column}.")
        roles[role] = column
    return roles


def dataset_source(spec: str) -> Source | None:
    """Return where a data set is published; None if it is built in or the user's own.

    Raises:
        InputError: The data set is unknown.

    Example:
        >>> dataset_source("shapes") is None
        True
    """
    return look_up(DATASETS, spec.partition(":")[0]).source


def dataset_plugin(spec: str) -> str | None:
    """Return the module of the plug-in that a data set is from, or None for a built-in one.

    Raises:
        InputError: The data set is unknown.

    Example:
        >>> dataset_plugin("csv:scores.csv") is None
        True
    """
    name = spec.partition(":")[0]
    look_up(DATASETS, name)
    return DATASETS.plugin_of(name)
