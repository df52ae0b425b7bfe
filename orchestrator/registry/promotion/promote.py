"""Implementation of the commands promote and rollback."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from orchestrator.core.cli import FAILED
from orchestrator.core.errors import InputError
from orchestrator.registry.promotion.alias import AliasMoved, move_alias, read_history
from orchestrator.registry.promotion.alias_history import Move
from orchestrator.registry.promotion.evaluate_gates import CHAMPION, GateResults, evaluate_gates
from orchestrator.registry.promotion.find_candidate import (
    CandidateQuery,
    better_control,
    control_command,
    find_candidate,
)
from orchestrator.registry.promotion.gate_inputs import GateThresholds
from orchestrator.registry.promotion.model_card import model_card
from orchestrator.registry.promotion.model_version import (
    alias_version,
    claim_tags,
    decision_tags,
    describe,
    gates_tag,
    identity_tags,
    register,
    versions,
)
from orchestrator.registry.promotion.show import (
    show_choice,
    show_claims_line,
    show_gates,
    show_history,
    show_refusal,
)
from orchestrator.reporting.claims import claims_line
from orchestrator.reporting.live_view import FeatureProgress
from orchestrator.tracking.quiet_mlflow import MlflowClient

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

Confirm = Callable[[str], bool]
"""Function that asks for confirmation and returns the answer."""


@dataclass(frozen=True)
class PromotionOptions:
    """Options of a promotion.

    Attributes:
        alias: alias to move.
        dry_run: evaluate the gates and change nothing.
        forced_because: reason to move it although gates failed; None not to.
        require_claims: refuse a candidate with a claim that is not shown.
    """

    alias: str = "champion"
    dry_run: bool = False
    forced_because: str | None = None
    require_claims: bool = False


def promote_best(
    client: MlflowClient,
    query: CandidateQuery,
    thresholds: GateThresholds,
    options: PromotionOptions,
    out: Path,
    scratch: Path,
    console: Console,
    confirm: Confirm,
    data_root: Path | None = None,
) -> int:
    """Choose, evaluate and register a candidate, move the alias if the gates pass, and return the exit code.

    Raises:
        InputError: there is no candidate.
    """
    progress = FeatureProgress(console)
    try:
        choice = find_candidate(client, query, out, scratch)
        candidate, alias = choice.candidate, options.alias
        evaluated = evaluate_gates(
            client,
            candidate,
            alias,
            thresholds,
            out,
            scratch,
            data_root,
            progress,
            dry_run=options.dry_run,
            require_claims=options.require_claims,
        )
    finally:
        progress.close()
    name, current = candidate.variant, evaluated.current
    was = f"version {current.version}" if current else "no version"
    if current is not None and current.run_id == candidate.run.info.run_id:
        show_choice(console, choice, thresholds.metric)
        console.print(f"{name}@{alias} is this model already (version {current.version}).", highlight=False)
        return 0
    refused = bool(evaluated.refusals) and options.forced_because is None
    if evaluated.refusals:
        show_refusal(console, evaluated.refusals)
    show_choice(console, choice, thresholds.metric)
    show_gates(console, evaluated.results, evaluated.claims, evaluated.required)
    hint = better_control(candidate, thresholds.metric)
    if hint:
        hint_line = f"{hint} Promote it with: {control_command(candidate)}"
        console.print(hint_line, style="yellow", highlight=False, markup=False, soft_wrap=True)
    if options.dry_run:
        if not evaluated.refusals:
            console.print(f"{_passed(alias)}; nothing was changed.", highlight=False)
            show_claims_line(console, evaluated.claims)
        return FAILED if refused else 0
    if not refused and not confirm(f"Move {name}@{alias} from {was} to {candidate.name}?"):
        console.print("Nothing was changed.")
        return FAILED
    version = register(client, name, candidate, evaluated.model)
    kept = _describe(client, version, evaluated, options, refused, hint, console)
    if refused:
        console.print(
            f"It is version {version.version} of {name}, without the alias; {alias} stays on {was}.",
            highlight=False,
        )
        return FAILED
    why = (
        options.forced_because
        if evaluated.refusals
        else f"every gate that {alias} requires passed, from sweep {candidate.results.name}"
    )
    move = Move(
        "promote",
        int(current.version) if current else None,
        int(version.version),
        str(why),
        forced=bool(evaluated.refusals),
    )
    try:
        move_alias(client, name, alias, move)
    except AliasMoved as error:
        current = alias_version(client, name, alias)
        if not kept and (current is None or current.version != version.version):
            client.set_model_version_tag(version.name, version.version, "verdict", "not moved")
        console.print(str(error), style="red", markup=False, soft_wrap=True, highlight=False)
        return FAILED
    console.print(f"{name}@{alias} is version {version.version} now; before it was {was}.", highlight=False)
    show_claims_line(console, evaluated.claims)
    return 0


def _describe(
    client: MlflowClient,
    version: ModelVersion,
    evaluated: GateResults,
    options: PromotionOptions,
    refused: bool,
    hint: str,
    console: Console,
) -> bool:
    """Write tags and model card of a version; return True if those of another alias's evaluation were kept."""
    candidate = evaluated.inputs.candidate
    # MLflow's list of versions shows tags in the order in which they were written.
    tags = decision_tags(evaluated.refusals, options.forced_because) | claim_tags(evaluated.claims)
    tags |= identity_tags(candidate, evaluated.model, evaluated.data.dataset)
    tags |= gates_tag(evaluated.results, evaluated.claims)
    if evaluated.data.dataset is None:
        console.print(f"No percentiles for the scores: {evaluated.data.reason}.", style="yellow", markup=False)
    others = _other_aliases(client, version, options.alias)
    # The description belongs to the evaluation that set the other alias, unless it now becomes the champion.
    kept = bool(others) and (refused or CHAMPION in others)
    if kept:
        console.print(f"Its description stays that of {', '.join(others)}.", highlight=False, markup=False)
        return True
    encoders, outcome = _encoders(evaluated.model.folder), _outcome(evaluated, options, refused)
    describe(client, version, tags, model_card(candidate, evaluated.results, evaluated.claims, encoders, outcome, hint))
    return False


def roll_back(
    client: MlflowClient, name: str, alias: str, why: str | None, dry_run: bool, console: Console, confirm: Confirm
) -> int:
    """Return an alias to the version it was on before, and return the exit code.

    Raises:
        InputError: the alias does not exist, or no earlier version is known.
    """
    version = alias_version(client, name, alias)
    if version is None:
        raise InputError(f"MLflow at {client.tracking_uri} has no {name}@{alias} to roll back.")
    history = read_history(client, name, alias)
    current = int(version.version)
    before = history.previous(current, versions(client, name))
    if dry_run:
        show_history(console, name, alias, history)
    if before is None:
        raise InputError(f"{name}@{alias} is version {current}, and no earlier champion is known to return to.")
    if dry_run:
        console.print(f"{name}@{alias} would return from version {current} to version {before}.", highlight=False)
        return 0
    if not confirm(f"Return {name}@{alias} from version {current} to version {before}?"):
        console.print("Nothing was changed.")
        return FAILED
    try:
        move_alias(client, name, alias, Move("rollback", current, before, why or "no reason given"))
    except AliasMoved as error:
        console.print(str(error), style="red", markup=False, soft_wrap=True, highlight=False)
        return FAILED
    console.print(f"{name}@{alias} is version {before} again; before it was version {current}.", highlight=False)
    return 0


def _outcome(evaluated: GateResults, options: PromotionOptions, refused: bool) -> str:
    if refused:
        return f"Refused for `{options.alias}`: {', '.join(result.gate for result in evaluated.refusals)}."
    if evaluated.refusals:
        gates = ", ".join(result.gate for result in evaluated.refusals)
        return (
            f"Made `{options.alias}` by force, although these gates failed: {gates}. Reason: {options.forced_because}"
        )
    return f"{_passed(f'`{options.alias}`')}. {claims_line(evaluated.claims)}."


def _passed(alias: str) -> str:
    return f"Every gate that {alias} requires passed"


def _other_aliases(client: MlflowClient, version: ModelVersion, alias: str) -> list[str]:
    aliases = client.get_model_version(version.name, version.version).aliases
    return sorted(str(other) for other in aliases if other != alias)


def _encoders(folder: Path) -> dict[str, str]:
    config: dict[str, Any] = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    return {str(kind): str(name) for kind, name in config["encoders"].items()}
