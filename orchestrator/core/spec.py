"""Every setting of a sweep, validated, saved with it."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import uuid4

import yaml
from pydantic import BaseModel, ByteSize, ConfigDict, Field, ValidationError, field_validator

from orchestrator.core.atomic_files import write_file
from orchestrator.core.credentials import refuse_password, without_passwords
from orchestrator.core.errors import InputError, reason
from orchestrator.core.ledger_url import ledger_url
from orchestrator.core.spec_migrations import SCHEMA_VERSION, migrate
from orchestrator.core.user_profile import find_setting


class SweepSpec(BaseModel):
    """The settings of one sweep; what is saved as `spec.yaml` and what decides whether a sweep may go on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Literal[2] = SCHEMA_VERSION
    id: str = Field(default_factory=lambda: uuid4().hex[:8])
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")
    created: datetime = Field(default_factory=lambda: datetime.now(UTC))

    variant: str = "text_hyper"
    dataset: str = "shapes"
    data_root: Path | None = None
    test_dataset: str | None = None
    test_data_root: Path | None = None
    criteria: Path | None = None
    targets: tuple[str, ...] = ()
    protocol: str = "disjoint"
    encoders: tuple[str, ...] = ()
    backbone: Literal["frozen", "finetune"] = "frozen"

    trials: int = Field(default=12, ge=1)
    epochs: int = Field(default=15, ge=1)
    sampler: str = "tpe"
    pruner: str = "halving"
    space: Path | None = None
    seed: int = Field(default=0, ge=0)
    enqueue: Path | None = None
    warm_start: tuple[str, ...] = ()
    max_hours: float | None = Field(default=None, gt=0)
    max_epoch_minutes: float | None = Field(default=None, gt=0)

    confirm: int = Field(default=3, ge=0)
    splits: int = Field(default=5, ge=1)

    concurrency: int | None = Field(default=None, ge=1)
    priority: float = Field(default=1.0, gt=0, le=1000)
    cpus_per_trial: float | None = Field(default=None, gt=0)
    gpus_per_trial: Annotated[float, Field(ge=0)] | Literal["auto"] = 0.0
    address: str | None = None
    tracking_uri: str | None = None
    ledger: str | None = None
    storage_path: str | None = None

    keep: str = Field(default="best:3", pattern=r"^(best:[1-9][0-9]*|last|all|none)$")
    keep_bytes: ByteSize | None = Field(default=None, ge=0)
    min_free: ByteSize = Field(default=ByteSize(10**9), ge=0)

    @field_validator("data_root", "test_data_root", "criteria", "space", "enqueue")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        return path.expanduser().absolute() if path else path

    @field_validator("gpus_per_trial")
    @classmethod
    def _whole_or_part(cls, gpus: float | str) -> float | str:
        if not isinstance(gpus, str) and gpus > 1 and gpus % 1:
            raise ValueError("a whole number, a part of one GPU, or auto")
        return gpus

    @property
    def threads(self) -> int:
        """Of one trial."""
        return max(1, int(self.cpus_per_trial or 1))

    @property
    def gpus(self) -> float:
        """Of one trial; 0 while that is left to the cluster."""
        return 0.0 if self.gpus_per_trial == "auto" else self.gpus_per_trial

    def save(self, path: Path) -> None:
        """Writes the spec as YAML, in one step: a reader finds the old one or the new one whole."""
        content = json.loads(self.model_dump_json())
        write_file(path, yaml.safe_dump(content, sort_keys=False))

    def changed(self, given: dict[str, Any]) -> SweepSpec:
        """The same with some settings changed; raises InputError where one of them is wrong."""
        _refuse_passwords(given)
        return _validated({**self.model_dump(), **given}, "")

    def differences(self, other: SweepSpec) -> dict[str, tuple[Any, Any]]:
        """Settings that decide the numbers and are not the same in `other`: name → (own, other's)."""
        free = {"schema_version", "id", "created", "name"} | RESUMABLE_SETTINGS
        mine, theirs = self.model_dump(), other.model_dump()
        return {key: (mine[key], theirs[key]) for key in mine if key not in free and mine[key] != theirs[key]}


RESUMABLE_SETTINGS = {
    "concurrency",
    "priority",
    "cpus_per_trial",
    "gpus_per_trial",
    "address",
    "tracking_uri",
    "max_hours",
    "max_epoch_minutes",
    "data_root",
    "keep",
    "keep_bytes",
    "min_free",
    "test_data_root",
}
"""Settings of where and how fast, free to change when a sweep goes on."""


def build_spec(given: dict[str, Any], config: Path | None = None) -> SweepSpec:
    """A spec from a YAML file's settings, overridden by `given` (command-line options that are not None).

    Raises:
        InputError: with the setting and the reason.
    """
    settings = _read_config(config) if config else {}
    settings.update({key: value for key, value in given.items() if value is not None})
    settings.setdefault("id", uuid4().hex[:8])
    _refuse_passwords(settings)
    if settings.get("ledger"):
        settings["ledger"] = ledger_url(str(settings["ledger"]))
    if settings.get("storage_path"):
        from orchestrator.core.object_store import storage_url

        settings["storage_path"] = storage_url(str(settings["storage_path"]))
    variant, dataset = settings.get("variant", "text_hyper"), str(settings.get("dataset", "shapes"))
    short = Path(dataset.removeprefix("csv:")).stem if dataset.startswith("csv:") else dataset
    short = re.sub(r"[^A-Za-z0-9._-]+", "-", short)[:60]
    settings.setdefault("name", f"{variant}-{short}-{settings['id']}")
    return _validated(settings, f" ({config})" if config else "")


def load_spec(path: Path) -> SweepSpec:
    """Reads a sweep's `spec.yaml`, an older version's as well.

    Raises:
        InputError: it is missing, wrong, or of a schema version that is not known here.
    """
    try:
        return parse_spec(path.read_text(), str(path))
    except FileNotFoundError as error:
        raise InputError(f"There is no sweep at {path.parent}: it has no {path.name}.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {reason(error)}.") from error


def parse_spec(text: str, path: str) -> SweepSpec:
    """The spec in a YAML text that was read from `path`; raises InputError as `load_spec` does."""
    try:
        return SweepSpec.model_validate(migrate(yaml.safe_load(text), path))
    except (ValidationError, yaml.YAMLError) as error:
        raise InputError(f"{path} is not a spec this version can read: {' '.join(str(error).split())}") from error


def _validated(settings: dict[str, Any], source: str) -> SweepSpec:
    try:
        return SweepSpec.model_validate(settings)
    except ValidationError as error:
        first = error.errors()[0]
        setting = str(first["loc"][0] if first["loc"] else "").replace("_", "-")
        raise InputError(f"--{setting}{source}: {first['msg']}, got {first['input']!r}") from error


def with_defaults(spec: SweepSpec) -> SweepSpec:
    """A new sweep's spec, with the ledger and the storage that environment or profile name where none was given.

    Raises:
        InputError: what they name is no ledger or no storage, or the profile is wrong.
    """
    from orchestrator.core.object_store import storage_url

    found = {}
    if not spec.ledger and (ledger := find_setting("ledger")):
        found["ledger"] = ledger_url(ledger.value)
    if not spec.storage_path and (storage := find_setting("storage_path")):
        found["storage_path"] = storage_url(storage.value)
    return spec.model_copy(update=found)


def sources(spec: SweepSpec, resumed: bool) -> list[str]:
    """A sentence for each place that a sweep uses without having been told by hand: which, and who says so.

    A sweep that goes on keeps its MLflow and its ledger, whatever they would be now.
    """
    kinds = {"address": "Ray cluster"} if resumed else {"address": "Ray cluster", "tracking_uri": "MLflow"}
    settings = [(kind, find_setting(name, getattr(spec, name))) for name, kind in kinds.items()]
    if not resumed and spec.ledger and (ledger := find_setting("ledger")):
        settings.append(("Ledger", ledger))
    if not resumed and spec.storage_path and (storage := find_setting("storage_path")):
        settings.append(("Checkpoints", storage))
    return [f"{kind}: {without_passwords(one.value)} ({one.source})" for kind, one in settings if one and one.source]


def _refuse_passwords(settings: dict[str, Any]) -> None:
    if settings.get("tracking_uri"):
        refuse_password("--tracking-uri", str(settings["tracking_uri"]))


def _read_config(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"--config {path} cannot be read: {reason(error)}.") from error
    if not isinstance(content, dict):
        raise InputError(f"--config {path}: expected a mapping of settings, got {type(content).__name__}.")
    return {str(key).replace("-", "_"): value for key, value in content.items()}
