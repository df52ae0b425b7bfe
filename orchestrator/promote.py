"""`python -m orchestrator.promote`: make the best confirmed model the champion if it passes the gates."""

from __future__ import annotations

import json as json_format
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.core.cli import command, examples
from orchestrator.core.cli_options import (
    OUTPUT_PANEL,
    SWEEPS,
    DataRoot,
    Debug,
    Out,
    Plugin,
    TrackingUri,
    flag,
)

_CANDIDATE, _GATES, _ALIAS = "Candidate", "Gates", "Alias"


class _Metric(StrEnum):
    srcc = "srcc"
    plcc = "plcc"


@command
@examples(
    "python -m orchestrator.promote --variant text_hyper --dry-run",
    "python -m orchestrator.promote --sweep SWEEP --control",
)
def promote(
    variant: Annotated[
        str | None,
        typer.Option(
            help="Variant whose registered model, of the same name, gets the alias: {variant}.",
            rich_help_panel=_CANDIDATE,
            show_default="that of --sweep or --run",
        ),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(help="Take only sweeps on this data set: {dataset}.", rich_help_panel=_CANDIDATE),
    ] = None,
    metric: Annotated[
        _Metric,
        typer.Option(help="Correlation that picks on validation and judges on test.", rich_help_panel=_CANDIDATE),
    ] = _Metric.srcc,
    sweep: Annotated[
        str | None,
        typer.Option(help="Take only this sweep: name, id or folder.", rich_help_panel=_CANDIDATE),
    ] = None,
    run: Annotated[
        str | None,
        typer.Option(help="Take this confirm run: SWEEP/confirm-0003, or its MLflow id.", rich_help_panel=_CANDIDATE),
    ] = None,
    control: Annotated[
        bool, flag("Promote the sweep's control as plain_head; needs --sweep or --run.", _CANDIDATE, "--control")
    ] = False,
    min_gain: Annotated[
        float, typer.Option(min=0.0, help="Least lower end of the interval of the gain.", rich_help_panel=_GATES)
    ] = 0.0,
    confidence: Annotated[
        float, typer.Option(min=0.5, max=0.999, help="Confidence of the intervals.", rich_help_panel=_GATES)
    ] = 0.95,
    margin: Annotated[
        float,
        typer.Option(min=0.0, help="Largest estimate by which it may be below its control.", rich_help_panel=_GATES),
    ] = 0.02,
    require_claims: Annotated[
        bool, flag("Refuse a model with a claim that is not shown.", _GATES, "--require-claims")
    ] = False,
    force: Annotated[bool, flag("Move the alias against the gates; needs --reason.", _GATES, "--force")] = False,
    reason: Annotated[
        str | None, typer.Option(help="Reason of --force, kept in the history.", rich_help_panel=_GATES)
    ] = None,
    alias: Annotated[
        str, typer.Option(help="Alias to move: champion, or another such as challenger.", rich_help_panel=_ALIAS)
    ] = "champion",
    dry_run: Annotated[bool, flag("Judge, and change nothing.", _ALIAS, "--dry-run")] = False,
    yes: Annotated[bool, flag("Move the alias without asking.", _ALIAS, "--yes")] = False,
    history: Annotated[bool, flag("Show every move of the alias.", _ALIAS, "--history")] = False,
    plugin: Plugin = None,
    data_root: DataRoot = None,
    tracking_uri: TrackingUri = None,
    out: Out = SWEEPS,
    json: Annotated[bool, flag("Print one JSON object; with --history only.", OUTPUT_PANEL, "--json")] = False,
    debug: Debug = False,
) -> None:
    """Pick the best configuration by validation, judge its median run, and move the alias if the gates of use pass."""
    import sys
    from tempfile import TemporaryDirectory

    from models import CONTROL
    from orchestrator.core.console import make_console
    from orchestrator.core.errors import InputError
    from orchestrator.core.near_matches import look_up
    from orchestrator.core.plugins import load_plugins
    from orchestrator.registry.promotion.alias import read_history
    from orchestrator.registry.promotion.command_helpers import check_alias, connect, question, silence_libraries
    from orchestrator.registry.promotion.show import show_history

    console = make_console(sys.stdout)
    check_alias(alias)
    if json and not history:
        raise InputError("--json goes with --history: what was judged is kept in the version's tag gates, as JSON.")
    if control and variant == CONTROL:
        variant = None  # the sweep's own variant is another
    if control and not (sweep or run):
        raise InputError("--control needs --sweep or --run: a control belongs to its sweep.")
    if not (variant or sweep or run):
        raise InputError("Give --variant, or --sweep or --run to take the sweep's.")
    if history:
        variant = CONTROL if control else variant
        if variant is None:
            raise InputError("--history needs --variant: it shows every move of that model's alias.")
        client = connect(tracking_uri)
        found = read_history(client, variant, alias)
        if json:
            print(json_format.dumps(found.as_dict()))
        else:
            show_history(console, variant, alias, found)
        return
    if sweep and run:
        raise InputError("Give --sweep or --run, not both: a run belongs to its sweep.")
    if force and not (reason or "").strip():
        raise InputError('--force needs --reason "…": it is kept with the model and in the history.')
    if reason and not force:
        raise InputError("--reason is why a gate is overruled: give --force as well.")
    from models.registry import VARIANTS
    from orchestrator.registry.promotion.find_candidate import CandidateQuery
    from orchestrator.registry.promotion.gate_inputs import GateThresholds
    from orchestrator.registry.promotion.promote import PromotionOptions, promote_best

    load_plugins(plugin or ())
    if variant:
        look_up(VARIANTS, variant)
    confirm = question(yes or dry_run)
    client = connect(tracking_uri)
    wanted = CandidateQuery(variant, dataset, sweep, run, metric.value, control)
    rules = GateThresholds(metric.value, min_gain, confidence, margin)
    wish = PromotionOptions(alias, dry_run, reason if force else None, require_claims)
    with TemporaryDirectory(prefix="promote-") as scratch, silence_libraries():
        code = promote_best(client, wanted, rules, wish, out, Path(scratch), console, confirm, data_root)
    if code:
        raise typer.Exit(code)


if __name__ == "__main__":
    promote()
