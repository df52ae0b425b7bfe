"""What the reproduce command does: one fixed-configuration sweep a system, protocol and form, then the table."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TextIO

import yaml

from orchestrator.errors import InputError
from orchestrator.naming import unknown
from orchestrator.reporting.claims import Claim, choose_claims
from orchestrator.spec import SweepSpec, build_spec, load_spec
from orchestrator.sweeping import make_console, run_sweep
from orchestrator.workspace import Workspace

OWN, RANDOM = "own", "random"
PAPER, SHIPPED = "paper", "shipped"
_EPOCHS = {PAPER: 30, SHIPPED: 15}


@dataclass(frozen=True)
class Reproduction:
    """What is to be reproduced, and how.

    Attributes:
        protocols: "own", what the paper did, and "random", prompt-disjoint random test splits.
        forms: "paper", the paper's sizes and training settings, and "shipped", our search space's default.
        epochs: of every training; None for each form's own.

    Raises:
        InputError: an unknown data set, table, protocol or form.
    """

    dataset: str
    name: str
    data_root: Path | None = None
    tables: tuple[str, ...] = ()
    protocols: tuple[str, ...] = (OWN, RANDOM)
    forms: tuple[str, ...] = (PAPER, SHIPPED)
    encoders: tuple[str, ...] = ()
    splits: int = 10
    epochs: int | None = None
    seed: int = 0
    address: str | None = None
    tracking_uri: str | None = None
    claims: tuple[Claim, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "claims", choose_claims(self.dataset, self.tables))
        for kind, given, known in (
            ("protocol", self.protocols, (OWN, RANDOM)),
            ("form", self.forms, (PAPER, SHIPPED)),
        ):
            for name in given:
                if name not in known:
                    raise InputError(unknown(kind, name, known))
            if not given:
                raise InputError(f"--{kind}s names none; there are {' and '.join(known)}.")

    @cached_property
    def runs(self) -> tuple[Run, ...]:
        """The distinct runs that the rows need, in the order of the tables."""
        return tuple(dict.fromkeys(run for claim in self.claims for _, _, run in self.runs_of(claim)))

    def runs_of(self, claim: Claim) -> Iterator[tuple[str, str, Run]]:
        """(protocol, form, run) of a row; nothing where nothing is trained for it."""
        if claim.variant is None:
            return
        for protocol in self.protocols:
            for form in self.forms:
                divided = claim.protocol if protocol == OWN else RANDOM
                yield protocol, form, Run(claim.variant, claim.trained_on, divided, form)


@dataclass(frozen=True)
class Run:
    """One fixed configuration over several splits, with its control and baselines."""

    variant: str
    targets: tuple[str, ...]
    protocol: str
    form: str

    @property
    def name(self) -> str:
        """Of its sweep."""
        return "-".join((self.variant, "_".join(self.targets), self.protocol, self.form))


def run_reproduction(reproduction: Reproduction, out: Path, as_json: bool) -> None:
    """Runs what is not there yet, then prints and writes the table, and logs it to MLflow.

    Raises:
        InputError: something asked for is wrong, or a run of this name has other settings.
        typer.Exit: 130, interrupted; the same command goes on.
    """
    from orchestrator.reporting.reproduction import collect_rows, print_rows, write_report
    from orchestrator.tracking.reproduction import log_reproduction

    stream = sys.stderr if as_json else sys.stdout
    console = make_console(stream)
    folder = (out / reproduction.name).absolute()
    results = {}
    for number, run in enumerate(reproduction.runs, 1):
        title = f"{number}/{len(reproduction.runs)}  {run.variant} for {' and '.join(run.targets)}"
        console.rule(f"{title}: protocol {run.protocol}, {run.form} form", align="left")
        results[run] = _result(reproduction, run, folder, stream)
    rows = collect_rows(reproduction.claims, reproduction.runs_of, results)
    report = folder / "report"
    write_report(rows, reproduction.dataset, reproduction.splits, report)
    print_rows(console, rows, reproduction.dataset, reproduction.splits)
    uri = log_reproduction(reproduction.name, reproduction.dataset, reproduction.tracking_uri, folder, rows)
    console.print(f"\nTables and figure: {report}; MLflow at {uri}", soft_wrap=True, highlight=False)
    if as_json:
        print(json.dumps([row.as_dict() for row in rows], allow_nan=False))


def _result(reproduction: Reproduction, run: Run, folder: Path, stream: TextIO) -> dict[str, Any]:
    spec = _spec(reproduction, run, folder)
    workspace = Workspace(folder / spec.name)
    if workspace.result.is_file() and not spec.differences(load_spec(workspace.spec)):
        print("Finished before.", file=stream)
    else:
        run_sweep(spec, folder, dry_run=False, as_json=False, allow_changed=False, stream=stream)
    found: dict[str, Any] = json.loads(workspace.result.read_text())
    return found


def _spec(reproduction: Reproduction, run: Run, folder: Path) -> SweepSpec:
    given: dict[str, Any] = {
        "variant": run.variant,
        "dataset": reproduction.dataset,
        "data_root": reproduction.data_root,
        "targets": run.targets,
        "protocol": run.protocol,
        "encoders": reproduction.encoders,
        "trials": 1,
        "confirm": 1,
        "splits": reproduction.splits,
        "epochs": reproduction.epochs or _EPOCHS[run.form],
        "pruner": "none",
        "seed": reproduction.seed,
        "address": reproduction.address,
        "tracking_uri": reproduction.tracking_uri,
        "space": _paper_space(run.variant, folder) if run.form == PAPER else None,
        "name": run.name,
    }
    return build_spec(given)


def _paper_space(variant: str, folder: Path) -> Path:
    """A space that holds the paper's form: the builder's defaults, and the settings in the author's code."""
    from models import variant_info

    info = variant_info(variant)
    hypernet = set(info.hypernet_parameters)
    plain = {key: list(value) if isinstance(value, tuple) else value for key, value in info.parameters.items()}
    lr = 4e-5
    training: dict[str, Any] = {
        # Its one trial is the default; a space that searches nothing is refused.
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
    space = {
        "model": {key: value for key, value in plain.items() if key not in hypernet},
        "hypernet": {key: value for key, value in plain.items() if key in hypernet},
        "training": training,
    }
    path = folder / "spaces" / f"{variant}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(space, sort_keys=False))
    return path
