"""A setting of a sweep as an option of the command line: help, panel, environment variable, part in `resume`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ByteSize
from pydantic.fields import FieldInfo

DATA_PANEL = "Variant and data"
SEARCH_PANEL = "Search"
CONFIRM_PANEL = "Confirmation"
RESOURCES_PANEL = "Resources"
SERVICES_PANEL = "Cluster, MLflow and storage"
CHECKPOINTS_PANEL = "Checkpoints"
SWEEP_PANEL = "Sweep"
OUTPUT_PANEL = "Output"
PANELS = (
    DATA_PANEL,
    SEARCH_PANEL,
    CONFIRM_PANEL,
    RESOURCES_PANEL,
    SERVICES_PANEL,
    CHECKPOINTS_PANEL,
    SWEEP_PANEL,
    OUTPUT_PANEL,
)
"""Panels in the order of `--help`."""


@dataclass(frozen=True)
class Option:
    """Metadata of a field of `SweepSpec`; from it come the option of `sweep`, that of `resume`, and the docs' table.

    Attributes:
        help: one sentence; `{variant}` and the like are filled in with the names of that registry.
        panel: heading of its group in `--help`.
        default: shown as the default if the field's own value does not say it.
        resumable: the setting may change when a sweep is resumed, and `resume` has the option.
        resume_help: help in `resume` if it differs; also adds an option that is not resumable to `resume`.
        variable: environment variable that supplies the setting if the option is missing.
        flag: name of the option if it is not the field's.
        repeatable: a tuple is given by repeating the option; else by names separated by commas.
    """

    help: str
    panel: str
    default: str | None = None
    resumable: bool = False
    resume_help: str | None = None
    variable: str | None = None
    flag: str | None = None
    repeatable: bool = False


@dataclass(frozen=True)
class SettingOption:
    """A field of a spec with its `Option`."""

    name: str
    option: Option
    field: FieldInfo

    @property
    def flag(self) -> str:
        """Name on the command line: `--data-root` for the field `data_root`."""
        return self.option.flag or "--" + self.name.replace("_", "-")

    @property
    def in_resume(self) -> bool:
        """True if `resume` has the option."""
        return self.option.resumable or self.option.resume_help is not None

    @property
    def cli_type(self) -> Any:
        """Type that the command line parses; text for what only the spec validates."""
        inner = self.field.annotation
        if get_origin(inner) in (Union, UnionType):
            inner = next((part for part in get_args(inner) if part is not type(None)), inner)
        if self.option.repeatable:
            return list[str]
        return inner if inner in (int, float, bool, Path) else str

    @property
    def cli_default(self) -> Any:
        """Default as the command line shows it; None if the field's own is empty or `Option.default` replaces it."""
        value = self.field.default
        if self.option.default is not None or value in (None, ()):
            return None
        if isinstance(value, ByteSize):
            return value.human_readable(decimal=True)
        return value if self.cli_type is not str or isinstance(value, str) else f"{value:g}"

    def read(self, given: Any) -> Any:
        """Return a value of the command line as the spec takes it."""
        if self.option.repeatable:
            return tuple(given)
        return names(given) if get_origin(self.field.annotation) is tuple else given


def setting_options(model: type[BaseModel]) -> list[SettingOption]:
    """Return the fields of a model that are options, by panel and in the order of their declaration."""
    found = [
        SettingOption(name, metadata, field)
        for name, field in model.model_fields.items()
        for metadata in field.metadata
        if isinstance(metadata, Option)
    ]
    return sorted(found, key=lambda setting: PANELS.index(setting.option.panel))


def names(given: str | None) -> tuple[str, ...] | None:
    """Return the names in a text that separates them by commas, and None for None or an empty text."""
    return tuple(name.strip() for name in given.split(",") if name.strip()) if given else None
