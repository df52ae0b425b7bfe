"""What the commands promote and rollback do."""

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
from orchestrator.registry.promotion.evaluate_gates import (
    CHAMPION,
    CandidateQuery,
    GateResults,
    evaluate_gates,
    find_candidate,
)
from orchestrator.registry.promotion.gate_inputs import GateThresholds
from orchestrator.registry.promotion.model_card import model_card
from orchestrator.registry.promotion.model_version import (
    alias_version,
    describe,
    gates_tag,
    identity_tags,
    register,
    verdict_tags,
    versions,
)
from orchestrator.registry.promotion.show import show_history, show_verdicts
from orchestrator.reporting.live_view import FeatureProgress
from orchestrator.tracking.mlflow_client import MlflowClient

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

Confirm = Callable[[str], bool]
"""Asks a person; False where they do not want it."""


@dataclass(frozen=True)
class PromotionOptions:
    """How a promotion is to be done.

    Attributes:
        alias: that is to be moved.
        dry_run: judge, and change nothing.
        forced_because: the reason to move it against the gates; None where it is not to be.
    """

    alias: str = "champion"
    dry_run: bool = False
    forced_because: str | None = None


def promote_best(
    client: MlflowClient,
    wanted: CandidateQuery,
    rules: GateThresholds,
    wish: PromotionOptions,
    out: Path,
    scratch: Path,
    console: Console,
    confirm: Confirm,
    data_root: Path | None = None,
) -> int:
    """Chooses, judges, registers and, where the gates let it, moves the alias; gives the command's exit code.

    Raises:
        InputError: there is nobody to promote.
    """
    progress = FeatureProgress(console)
    try:
        candidate = find_candidate(client, wanted, out, scratch)
        metric = rules.metric.upper()
        console.print(
            f"{candidate.name}: {candidate.source} of {wanted.variant}, validation {metric} {candidate.validation:.4f} "
            f"(median of {len(candidate.runs)} runs)",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
        judged = evaluate_gates(client, candidate, wish.alias, rules, out, scratch, data_root, progress, wish.dry_run)
    finally:
        progress.close()
    show_verdicts(console, judged.verdicts, judged.asked)
    refused = bool(judged.refusals) and wish.forced_because is None
    held = judged.held
    was = f"version {held.version}" if held else "no version"
    if held is not None and held.run_id == candidate.run.info.run_id:
        console.print(f"{wanted.variant}@{wish.alias} is this model already (version {held.version}).", highlight=False)
        return 0
    if wish.dry_run:
        _say_refusals(console, judged) if judged.refusals else console.print(
            f"{_passed(wish.alias)}; nothing was changed.", highlight=False
        )
        return FAILED if refused else 0
    if not refused and not confirm(f"Move {wanted.variant}@{wish.alias} from {was} to {candidate.name}?"):
        console.print("Nothing was changed.")
        return FAILED
    version = register(client, wanted.variant, candidate, judged.model)
    outcome = _outcome(judged, wish, refused)
    encoders = _encoders(judged.model.folder)
    # MLflow's list of versions shows tags in the order in which they were written.
    tags = verdict_tags(judged.refusals, wish.forced_because)
    tags |= identity_tags(candidate, judged.model, judged.data.dataset)
    tags |= gates_tag(judged.verdicts)
    if judged.data.dataset is None:
        console.print(f"No percentiles for the scores: {judged.data.reason}.", style="yellow", markup=False)
    holds = _other_aliases(client, version, wish.alias)
    # Whoever uses it by another alias reads by which judgement it got that one; a champion's asks for every gate.
    kept = bool(holds) and (refused or CHAMPION in holds)
    if kept:
        console.print(f"Its description stays that of {', '.join(holds)}.", highlight=False, markup=False)
    else:
        describe(client, version, tags, model_card(candidate, judged.verdicts, encoders, outcome))
    if refused:
        _say_refusals(console, judged)
        console.print(
            f"It is version {version.version} of {wanted.variant}, without the alias; {wish.alias} stays on {was}.",
            highlight=False,
        )
        return FAILED
    why = (
        wish.forced_because
        if judged.refusals
        else f"every gate that {wish.alias} asks for passed, from sweep {candidate.evidence.name}"
    )
    move = Move(
        "promote", int(held.version) if held else None, int(version.version), str(why), forced=bool(judged.refusals)
    )
    try:
        move_alias(client, wanted.variant, wish.alias, move)
    except AliasMoved as error:
        there = alias_version(client, wanted.variant, wish.alias)
        if not kept and (there is None or there.version != version.version):
            client.set_model_version_tag(version.name, version.version, "verdict", "not moved")
        console.print(str(error), style="red", markup=False, soft_wrap=True, highlight=False)
        return FAILED
    console.print(
        f"{wanted.variant}@{wish.alias} is version {version.version} now; before it was {was}.", highlight=False
    )
    return 0


def roll_back(
    client: MlflowClient, name: str, alias: str, why: str | None, dry_run: bool, console: Console, confirm: Confirm
) -> int:
    """Returns an alias to the version it was on before; gives the command's exit code.

    Raises:
        InputError: it is on none, or nothing is known of before.
    """
    held = alias_version(client, name, alias)
    if held is None:
        raise InputError(f"MLflow at {client.tracking_uri} has no {name}@{alias} to roll back.")
    history = read_history(client, name, alias)
    current = int(held.version)
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


def _outcome(judged: GateResults, wish: PromotionOptions, refused: bool) -> str:
    if refused:
        return f"Refused for `{wish.alias}`: {', '.join(verdict.gate for verdict in judged.refusals)}."
    if judged.refusals:
        gates = ", ".join(verdict.gate for verdict in judged.refusals)
        return f"Made `{wish.alias}` by force against: {gates}. Reason given: {wish.forced_because}"
    return f"{_passed(f'`{wish.alias}`')}."


def _passed(alias: str) -> str:
    return f"Every gate that {alias} asks for passed"


def _other_aliases(client: MlflowClient, version: ModelVersion, alias: str) -> list[str]:
    there = client.get_model_version(version.name, version.version).aliases
    return sorted(str(other) for other in there if other != alias)


def _encoders(folder: Path) -> dict[str, str]:
    card: dict[str, Any] = json.loads((folder / "model.json").read_text())
    return {str(kind): str(name) for kind, name in card["encoders"].items()}


def _say_refusals(console: Console, judged: GateResults) -> None:
    for verdict in judged.refusals:
        console.print(
            f"Refused by “{verdict.gate}”: {verdict.sentence}.",
            style="red",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
