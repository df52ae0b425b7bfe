"""Run a reproduction: one sweep with a fixed configuration per system, protocol and form, then the table."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any, TextIO

import yaml

from orchestrator.core.console import make_console
from orchestrator.core.errors import InputError
from orchestrator.core.near_matches import unknown_name_message
from orchestrator.core.spec import SweepSpec, build_spec, load_spec
from orchestrator.core.sweep_folder import Workspace
from orchestrator.reproduction.paper_claims import PaperClaim, choose_claims
from orchestrator.reproduction.report import collect_rows, print_rows, write_report
from orchestrator.reproduction.rows import Conditions
from orchestrator.search.space import load_space
from orchestrator.sweeps.start_or_resume import start_or_resume

OWN, RANDOM = "own", "random"
PAPER, SHIPPED = "paper", "shipped"
FROZEN, FINETUNE = "frozen", "finetune"
_EPOCHS = {PAPER: 30, SHIPPED: 15}


@dataclass(frozen=True)
class PaperReproduction:
    """Settings of a reproduction.

    Attributes:
        protocols: "own", the paper's, and "random", prompt-disjoint random test splits.
        forms: "paper", the paper's sizes and training settings, and "shipped", our search space's default.
        backbone: "frozen", or "finetune" to train the image encoder with every system, and its control, that reads
            `image.*` arrays. Other systems are not run.
        epochs: epochs of every training; None for each form's own.

    Raises:
        InputError: the data set, a table, system, protocol, form or the backbone is unknown, or no system can be
            fine-tuned.
    """

    dataset: str
    name: str
    data_root: Path | None = None
    tables: tuple[str, ...] = ()
    protocols: tuple[str, ...] = (OWN, RANDOM)
    forms: tuple[str, ...] = (PAPER, SHIPPED)
    variants: tuple[str, ...] = ()
    encoders: tuple[str, ...] = ()
    backbone: str = FROZEN
    splits: int = 10
    epochs: int | None = None
    seed: int = 0
    address: str | None = None
    tracking_uri: str | None = None
    claims: tuple[PaperClaim, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "claims", choose_claims(self.dataset, self.tables, self.variants))
        for kind, chosen, known in (
            ("protocol", self.protocols, (OWN, RANDOM)),
            ("form", self.forms, (PAPER, SHIPPED)),
            ("backbone", (self.backbone,), (FROZEN, FINETUNE)),
        ):
            for name in chosen:
                if name not in known:
                    raise InputError(unknown_name_message(kind, name, known))
            if not chosen:
                raise InputError(f"--{kind}s names none; there are {' and '.join(known)}.")
        if self.backbone == FINETUNE and not self.runs:
            raise InputError("--backbone finetune: no chosen system reads arrays of images in these forms.")

    @cached_property
    def runs(self) -> tuple[Run, ...]:
        """Distinct runs that the rows need, in the order of the tables."""
        return tuple(dict.fromkeys(run for claim in self.claims for _, _, run in self.runs_of(claim)))

    def runs_of(self, claim: PaperClaim) -> Iterator[tuple[str, str, Run]]:
        """Yield (protocol, form, run) of a row; none if no system is trained for it or can be fine-tuned."""
        if claim.variant is None:
            return
        for protocol in self.protocols:
            for form in self.forms:
                divided = claim.protocol if protocol == OWN else RANDOM
                if self.backbone == FROZEN or _reads_images(claim.variant, form, self.encoders):
                    yield protocol, form, Run(claim.variant, claim.trained_on, divided, form, self.backbone)

    @property
    def conditions(self) -> Conditions:
        """Conditions that the report states."""
        epochs = {form: self.epochs or _EPOCHS[form] for form in self.forms}
        return Conditions(self.dataset, self.splits, epochs, self.backbone == FINETUNE)


@dataclass(frozen=True)
class Run:
    """Sweep of one fixed configuration over several splits, with its control and baselines."""

    variant: str
    targets: tuple[str, ...]
    protocol: str
    form: str
    backbone: str = FROZEN

    @property
    def name(self) -> str:
        """Name of the sweep."""
        tuned = () if self.backbone == FROZEN else (self.backbone,)
        return "-".join((self.variant, "_".join(self.targets), self.protocol, self.form, *tuned))


def run_reproduction(reproduction: PaperReproduction, out: Path, as_json: bool) -> None:
    """Run the sweeps that are missing; print and write the table, and log it to MLflow.

    Raises:
        InputError: a setting is wrong, or a run of this name has other settings.
        typer.Exit: 130, interrupted; the same command resumes.
    """
    from orchestrator.reproduction.log_run import log_reproduction

    stream = sys.stderr if as_json else sys.stdout
    console = make_console(stream)
    folder = (out / reproduction.name).absolute()
    results = {}
    for number, run in enumerate(reproduction.runs, 1):
        title = f"{number}/{len(reproduction.runs)}  {run.variant} for {' and '.join(run.targets)}"
        console.rule(f"{title}: protocol {run.protocol}, {run.form} form, {run.backbone}", align="left")
        results[run] = _result(reproduction, run, folder, stream)
    rows = collect_rows(reproduction.claims, reproduction.runs_of, results)
    report = folder / "report"
    write_report(rows, reproduction.conditions, report)
    print_rows(console, rows, reproduction.conditions)
    params = {"dataset": reproduction.dataset, "backbone": reproduction.backbone, "splits": reproduction.splits}
    uri = log_reproduction(reproduction.name, params, reproduction.tracking_uri, folder, rows)
    console.print(f"\nTables and figure: {report}; MLflow at {uri}", soft_wrap=True, highlight=False)
    if as_json:
        print(json.dumps([row.as_dict() for row in rows], allow_nan=False))


def _result(reproduction: PaperReproduction, run: Run, folder: Path, stream: TextIO) -> dict[str, Any]:
    spec = _spec(reproduction, run, folder)
    workspace = Workspace(folder / spec.name)
    if workspace.result.is_file() and not spec.differences(load_spec(workspace.spec)):
        print("Finished before.", file=stream)
    else:
        start_or_resume(spec, folder, dry_run=False, as_json=False, allow_changed=False, stream=stream)
    result: dict[str, Any] = json.loads(workspace.result.read_text(encoding="utf-8"))
    return result


def _spec(reproduction: PaperReproduction, run: Run, folder: Path) -> SweepSpec:
    settings: dict[str, Any] = {
        "variant": run.variant,
        "dataset": reproduction.dataset,
        "data_root": reproduction.data_root,
        "targets": run.targets,
        "protocol": run.protocol,
        "encoders": reproduction.encoders,
        "backbone": run.backbone,
        "trials": 1,
        "confirm": 1,
        "splits": reproduction.splits,
        "epochs": reproduction.epochs or _EPOCHS[run.form],
        "pruner": "none",
        "seed": reproduction.seed,
        "address": reproduction.address,
        "tracking_uri": reproduction.tracking_uri,
        "space": _paper_space(run.variant, folder, run.backbone == FINETUNE) if run.form == PAPER else None,
        "name": run.name,
    }
    return build_spec(settings)


@cache
def _reads_images(variant: str, form: str, encoders: tuple[str, ...]) -> bool:
    """Return whether a system and its control both read `image.*` arrays in a form, so that both can be tuned."""
    import torch

    from models import CONTROL, build_variant, variant_info
    from orchestrator.data import FeatureStore
    from orchestrator.execution.prepare import choose_encoders

    info = variant_info(variant)
    space = load_space(variant)
    chosen = info.parameters if form == PAPER else space.configuration(space.default_params()).model
    shared = {key: value for key, value in chosen.items() if key not in info.hypernet_parameters}
    name, of = variant, {}
    if info.hypernet_sees:
        name, of = CONTROL, {"of": variant}
    shapes = FeatureStore().shapes(choose_encoders(encoders), info.reads)
    with torch.device("meta"):
        reads = build_variant(name, shapes, **{**shared, **of}).reads
    return any(feature.startswith("image.") for feature in reads)


def _paper_space(variant: str, folder: Path, finetune: bool = False) -> Path:
    """Write a space of the paper's form: the builder's defaults, and the settings of the author's code.

    The author trains the whole image encoder at `lr`, on one random crop per image and epoch, and scores one crop.
    """
    from models import variant_info

    info = variant_info(variant)
    hypernet = set(info.hypernet_parameters)
    plain = {key: list(value) if isinstance(value, tuple) else value for key, value in info.parameters.items()}
    lr = 4e-5
    training: dict[str, Any] = {
        # The one trial is the default; a space without a searched value is refused.
        "lr": {"type": "float", "low": lr / 10, "high": lr * 10, "log": True, "default": lr},
        "weight_decay": 5e-4,
        "batch_size": 12,
        "loss": "l1",
        "prompt_grouped": False,
        "ema": 0.0,
        "warmup": 0.0,
        "clip_norm": 0.0,
    }
    if hypernet:
        training["hypernet_lr_ratio"] = 10.0
    else:
        training["lr"] = {**training["lr"], "default": lr * 10}
    if finetune:
        training["backbone_lr_ratio"] = 1.0 if hypernet else 0.1
    space = {
        "model": {key: value for key, value in plain.items() if key not in hypernet},
        "hypernet": {key: value for key, value in plain.items() if key in hypernet},
        "training": training,
        **({"backbone": {"frozen_parts": 0, "test_crops": 1, "flips": True}} if finetune else {}),
    }
    path = folder / "spaces" / f"{variant}{'-finetune' if finetune else ''}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(space, sort_keys=False), encoding="utf-8")
    return path
