"""Every setting of a sweep: its validation, its option, its file."""

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
from orchestrator.core.errors import InputError, reason
from orchestrator.core.ledger_url import ledger_url
from orchestrator.core.option_metadata import (
    CHECKPOINTS_PANEL,
    CONFIRM_PANEL,
    DATA_PANEL,
    RESOURCES_PANEL,
    SEARCH_PANEL,
    SERVICES_PANEL,
    SWEEP_PANEL,
    Option,
    setting_options,
)
from orchestrator.core.service_addresses import VARIABLES, find_setting
from orchestrator.core.setting_reason import setting_reason
from orchestrator.core.spec_migrations import SCHEMA_VERSION, migrate
from orchestrator.core.url_passwords import refuse_password, without_passwords
from orchestrator.core.validation_reason import first_reason
from orchestrator.core.yaml_reader import read_yaml

MOST_TRIALS, MOST_EPOCHS, MOST_SPLITS, MOST_HOURS, MOST_CPUS = 10**6, 10**6, 1000, 10**6, 10**5
"""Upper ends of numbers; a larger one is a slip, or would take all memory before anything is trained."""

LARGEST_SEED = 2**63 - 1
"""Largest seed of a sweep; PyTorch takes 64 bits, and confirm runs add the number of their split."""


class SweepSpec(BaseModel):
    """Settings of one sweep, saved as `spec.yaml`; a sweep is resumed only if those that decide its figures agree."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    schema_version: Literal[2] = SCHEMA_VERSION
    id: str = Field(default_factory=lambda: uuid4().hex[:8])
    name: Annotated[
        str,
        Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"),
        Option(
            "Name of the sweep; an unfinished one of that name is resumed.", SWEEP_PANEL, default="VARIANT-DATASET-ID"
        ),
    ]
    created: datetime = Field(default_factory=lambda: datetime.now(UTC))

    variant: Annotated[str, Option("Registered variant to search: {variant}.", DATA_PANEL)] = "text_hyper"
    dataset: Annotated[str, Option("Data set to train on: {dataset}.", DATA_PANEL)] = "shapes"
    data_root: Annotated[
        Path | None,
        Option(
            "Folder of the data set, if it is not built in.",
            DATA_PANEL,
            resumable=True,
            resume_help="Folder of the data set, if it has moved.",
        ),
    ] = None
    columns: Annotated[
        tuple[str, ...],
        Option(
            "Columns of csv:FILE, as image=file,prompt=caption,alignment=mos,group=scene.",
            DATA_PANEL,
            default="image, prompt, scores",
        ),
    ] = ()
    test_dataset: Annotated[
        str | None, Option("Second data set that confirm runs and baselines score as well.", DATA_PANEL)
    ] = None
    test_data_root: Annotated[
        Path | None,
        Option(
            "Folder of the second data set.",
            DATA_PANEL,
            resumable=True,
            resume_help="Folder of the second data set, if it has moved.",
        ),
    ] = None
    criteria: Annotated[
        Path | None, Option("JSON lines of prompt and criteria, for the variant criteria_hyper.", DATA_PANEL)
    ] = None
    targets: Annotated[
        tuple[str, ...], Option("Scores to learn, separated by commas.", DATA_PANEL, default="the variant's")
    ] = ()
    protocol: Annotated[
        str,
        Option("How the data are split: {protocol}. With disjoint, no prompt is in two parts.", DATA_PANEL),
    ] = "disjoint"
    encoders: Annotated[
        tuple[str, ...],
        Option("Feature extractors, separated by commas: {encoder}.", DATA_PANEL, default="the first of each kind"),
    ] = ()
    backbone: Annotated[
        Literal["frozen", "finetune"],
        Option("Image encoder: frozen, or finetune to train it with the model.", DATA_PANEL),
    ] = "frozen"
    plugins: Annotated[
        tuple[str, ...],
        Option(
            "Python module that registers variants, encoders, data sets or losses; repeatable.",
            DATA_PANEL,
            flag="--plugin",
            repeatable=True,
        ),
    ] = ()

    trials: Annotated[
        int,
        Field(ge=1, le=MOST_TRIALS),
        Option(
            "Budget of trials; the control gets as many.",
            SEARCH_PANEL,
            resume_help="New budget of trials; a larger one extends the sweep.",
        ),
    ] = 12
    epochs: Annotated[int, Field(ge=1, le=MOST_EPOCHS), Option("Epochs of a training.", SEARCH_PANEL)] = 15
    sampler: Annotated[str, Option("Proposes configurations: {sampler}.", SEARCH_PANEL)] = "tpe"
    pruner: Annotated[str, Option("Stops weak trials early: {pruner}.", SEARCH_PANEL)] = "halving"
    space: Annotated[
        Path | None,
        Option(
            "Search space of your own, as YAML.",
            SEARCH_PANEL,
            default="the variant's",
            resume_help="Other numeric ranges for the next trials, as YAML; choices and keys stay.",
        ),
    ] = None
    set: Annotated[
        tuple[str, ...],
        Option(
            "Override an entry of the space: lr=loguniform(1e-4,1e-2), depth=2, 'loss=[huber,mse]'; repeatable.",
            SEARCH_PANEL,
            repeatable=True,
            resume_help="Change a numeric range for the next trials: lr=loguniform(1e-4,1e-3); repeatable.",
        ),
    ] = ()
    seed: Annotated[
        int, Field(ge=0, le=LARGEST_SEED), Option("Seed of sampler, initialisation and batches.", SEARCH_PANEL)
    ] = 0
    enqueue: Annotated[
        Path | None, Option("Configurations to try first: a YAML or JSON list, or CSV.", SEARCH_PANEL)
    ] = None
    warm_start: Annotated[
        tuple[str, ...],
        Option("Earlier sweeps of the variant, separated by commas; their best are tried first.", SEARCH_PANEL),
    ] = ()
    max_hours: Annotated[
        float | None,
        Field(gt=0, le=MOST_HOURS),
        Option("Start no trial after this many hours.", SEARCH_PANEL, default="no limit", resumable=True),
    ] = None
    max_epoch_minutes: Annotated[
        float | None,
        Field(gt=0, le=60 * MOST_HOURS),
        Option(
            "Restart a trial, once, if it finishes no epoch for this many minutes.",
            SEARCH_PANEL,
            default="10 × the longest epoch, 30 at least",
            resumable=True,
        ),
    ] = None

    retries: Annotated[
        tuple[Annotated[str, Field(pattern=r"^(transient|hang|death|node_lost)=[0-9]{1,4}$")], ...],
        Option(
            "Retries of a job after failures of a kind, such as death=2,hang=0.",
            SEARCH_PANEL,
            default="transient=4,hang=1,death=5,node_lost=20",
            resumable=True,
        ),
    ] = ()

    confirm: Annotated[
        int, Field(ge=0, le=MOST_TRIALS), Option("Configurations to confirm on test; 0 for none.", CONFIRM_PANEL)
    ] = 3
    splits: Annotated[
        int,
        Field(ge=1, le=MOST_SPLITS),
        Option(
            "Train/validation splits that confirm each configuration.",
            CONFIRM_PANEL,
            resume_help="New number of splits; a larger one confirms on more.",
        ),
    ] = 5

    concurrency: Annotated[
        int | None,
        Field(ge=1, le=MOST_TRIALS),
        Option("Trials that run at a time.", RESOURCES_PANEL, default="as many as fit", resumable=True),
    ] = None
    priority: Annotated[
        float,
        Field(gt=0, le=1000),
        Option(
            "Weight among the sweeps of a shared cluster: 2 gets twice the slots of 1.",
            RESOURCES_PANEL,
            resumable=True,
        ),
    ] = 1.0
    cpus_per_trial: Annotated[
        float | None,
        Field(gt=0, le=MOST_CPUS),
        Option("CPUs of a trial.", RESOURCES_PANEL, default="1, or the GPU's share", resumable=True),
    ] = None
    gpus_per_trial: Annotated[
        Annotated[float, Field(ge=0, le=MOST_CPUS)] | Literal["auto"],
        Option(
            "GPUs of a trial: a number, a fraction, or auto for as many trials as fit.",
            RESOURCES_PANEL,
            resumable=True,
        ),
    ] = 0.0
    address: Annotated[
        str | None,
        Option(
            "Ray cluster to join, HOST:PORT or auto; local starts one here.",
            SERVICES_PANEL,
            default="the profile's, or a new one here",
            resumable=True,
            variable=VARIABLES["address"],
        ),
    ] = None
    tracking_uri: Annotated[
        str | None,
        Option(
            "MLflow server or database.",
            SERVICES_PANEL,
            default="the profile's, or mlflow.db here",
            resumable=True,
            resume_help="MLflow server or database, if not the sweep's own.",
            variable=VARIABLES["tracking_uri"],
        ),
    ] = None
    ledger: Annotated[
        str | None,
        Option(
            "Database of trials: postgresql://HOST/NAME or sqlite:///FILE.",
            SERVICES_PANEL,
            default="the profile's, or a file of the sweep",
            variable=VARIABLES["ledger"],
        ),
    ] = None
    storage_path: Annotated[
        str | None,
        Option(
            "Place of checkpoints: a folder that all nodes see, or s3://BUCKET.",
            SERVICES_PANEL,
            default="the profile's, or the sweep's folder",
            variable=VARIABLES["storage_path"],
        ),
    ] = None

    notify: Annotated[
        tuple[str, ...],
        Field(exclude=True, repr=False),  # may hold a secret: no file and no run of the sweep has it
        Option(
            "Address (POST) or command that gets the end and a new best; repeatable, not stored.",
            SERVICES_PANEL,
            repeatable=True,
            resumable=True,
            variable="HYPERASSESS_NOTIFY",
        ),
    ] = ()

    keep: Annotated[
        str,
        Field(pattern=r"^(best:[1-9][0-9]*|last|all|none)$"),
        Option("Checkpoints to keep of ended trials: best:K, last, all or none.", CHECKPOINTS_PANEL, resumable=True),
    ] = "best:3"
    keep_bytes: Annotated[
        ByteSize | None,
        Field(ge=0),
        Option(
            "Size of all checkpoints together at most, such as 2GB.",
            CHECKPOINTS_PANEL,
            default="no limit",
            resumable=True,
        ),
    ] = None
    min_free: Annotated[
        ByteSize,
        Field(ge=0),
        Option(
            "Write no checkpoint if less than this is free on the disk.",
            CHECKPOINTS_PANEL,
            resumable=True,
        ),
    ] = ByteSize(10**9)

    @field_validator("data_root", "test_data_root", "criteria", "space", "enqueue")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        return path.expanduser().absolute() if path else path

    @field_validator("targets", "encoders")
    @classmethod
    def _once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if repeated := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"{repeated} is there twice")
        return names

    @field_validator("set", mode="before")
    @classmethod
    def _listed(cls, overrides: Any) -> Any:
        """Read a mapping of a configuration file as the list that the command line gives."""
        if isinstance(overrides, dict):
            values = {name: value if isinstance(value, str) else json.dumps(value) for name, value in overrides.items()}
            overrides = [f"{name}={value}" for name, value in values.items()]
        if isinstance(overrides, list | tuple) and all(isinstance(text, str) for text in overrides):
            return tuple(sorted(text.strip() for text in overrides))  # their order decides nothing
        return overrides

    @field_validator("gpus_per_trial")
    @classmethod
    def _whole_or_part(cls, gpus: float | str) -> float | str:
        if not isinstance(gpus, str) and gpus > 1 and gpus % 1:
            raise ValueError("a whole number, a part of one GPU, or auto")
        return gpus

    @property
    def threads(self) -> int:
        """Threads of one trial."""
        return max(1, int(self.cpus_per_trial or 1))

    @property
    def gpus(self) -> float:
        """GPUs of one trial; 0 until `auto` is settled on the cluster."""
        return 0.0 if self.gpus_per_trial == "auto" else self.gpus_per_trial

    def save(self, path: Path) -> None:
        """Write the spec as YAML in one step, so that a reader finds the old or the new one whole."""
        content = json.loads(self.model_dump_json())
        write_file(path, yaml.safe_dump(content, sort_keys=False))

    def changed(self, given: dict[str, Any]) -> SweepSpec:
        """Return the spec with some settings changed; raise InputError if one of them is wrong."""
        _refuse_passwords(given)
        return _validated({**self.model_dump(), **given}, "")

    def differences(self, other: SweepSpec) -> dict[str, tuple[Any, Any]]:
        """Return the settings that decide the figures and differ from `other`: name → (own, other's)."""
        free = {"schema_version", "id", "created", "name"} | RESUMABLE_SETTINGS
        own, others = self.model_dump(), other.model_dump()
        return {key: (own[key], others[key]) for key in own if key not in free and own[key] != others[key]}


RESUMABLE_SETTINGS = frozenset(setting.name for setting in setting_options(SweepSpec) if setting.option.resumable)
"""Settings of place and speed, free to change when a sweep is resumed."""


def build_spec(given: dict[str, Any], config: Path | None = None) -> SweepSpec:
    """Build a spec from a YAML file's settings, overridden by `given` (command-line options that are not None).

    Raises:
        InputError: a setting is wrong; the message names it and the reason.
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
    """Read a sweep's `spec.yaml`, of this or an older version.

    Raises:
        InputError: the file is missing, wrong, or of an unknown schema version.
    """
    try:
        return parse_spec(path.read_text(encoding="utf-8"), str(path))
    except FileNotFoundError as error:
        raise InputError(f"There is no sweep at {path.parent}: it has no {path.name}.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {reason(error)}.") from error


def parse_spec(text: str, path: str) -> SweepSpec:
    """Parse the YAML text of a spec that was read from `path`; raise InputError as `load_spec` does."""
    try:
        return SweepSpec.model_validate(migrate(yaml.safe_load(text), path))
    except ValidationError as error:
        raise InputError(f"{path} is not a spec this version can read: {first_reason(error)}") from error
    except (yaml.YAMLError, ValueError) as error:
        raise InputError(f"{path} is not a spec this version can read: {' '.join(str(error).split())}") from error


def _validated(settings: dict[str, Any], source: str) -> SweepSpec:
    try:
        return SweepSpec.model_validate(settings)
    except ValidationError as error:
        raise InputError(setting_reason(error, SweepSpec.model_fields, source)) from error


def with_defaults(spec: SweepSpec) -> SweepSpec:
    """Fill in a new sweep's ledger and storage from the environment or the profile if they are not given.

    Raises:
        InputError: the ledger, the storage or the profile is not valid.
    """
    from orchestrator.core.object_store import storage_url

    defaults = {}
    if not spec.ledger and (ledger := find_setting("ledger")):
        defaults["ledger"] = ledger_url(ledger.value)
    if not spec.storage_path and (storage := find_setting("storage_path")):
        defaults["storage_path"] = storage_url(storage.value)
    return spec.model_copy(update=defaults)


def sources(spec: SweepSpec, resumed: bool) -> list[str]:
    """Return a sentence for each service that the environment or the profile names: its address and the source.

    A resumed sweep keeps its MLflow and its ledger, whatever the environment names now.
    """
    kinds = {"address": "Ray cluster"} if resumed else {"address": "Ray cluster", "tracking_uri": "MLflow"}
    settings = [(kind, find_setting(name, getattr(spec, name))) for name, kind in kinds.items()]
    if not resumed and spec.ledger and (ledger := find_setting("ledger")):
        settings.append(("Ledger", ledger))
    if not resumed and spec.storage_path and (storage := find_setting("storage_path")):
        settings.append(("Checkpoints", storage))
    return [
        f"{kind}: {without_passwords(setting.value)} ({setting.source})"
        for kind, setting in settings
        if setting and setting.source
    ]


def _refuse_passwords(settings: dict[str, Any]) -> None:
    given = settings.get("notify") or ()
    given = settings["notify"] = (given,) if isinstance(given, str) else given
    if not isinstance(given, list | tuple) or not all(isinstance(target, str) for target in given):
        raise InputError("--notify: give an http or https address, or a command.")  # pydantic would repeat it
    if settings.get("tracking_uri"):
        refuse_password("--tracking-uri", str(settings["tracking_uri"]))


def _read_config(path: Path) -> dict[str, Any]:
    try:
        content = read_yaml(path.read_text(encoding="utf-8-sig"), exponents=False)
    except (OSError, ValueError) as error:
        raise InputError(f"--config {path} cannot be read: {reason(error)}.") from error
    if not isinstance(content, dict):
        raise InputError(f"--config {path}: expected a mapping of settings, got {type(content).__name__}.")
    return {str(key).replace("-", "_"): value for key, value in content.items()}
