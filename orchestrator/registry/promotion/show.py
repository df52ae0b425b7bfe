"""Output of promote: the choice, the gates, the claims, the history of an alias."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from orchestrator.registry.promotion.alias_history import AliasHistory
from orchestrator.registry.promotion.choose_candidate import Choice
from orchestrator.registry.promotion.gates import GateResult
from orchestrator.reporting.claims import Claim, add_claims, claims_line


def show_refusal(console: Console, refusals: Sequence[GateResult]) -> None:
    """Print the gates that refused, and why the first did, in one sentence."""
    first, *others = refusals
    more = f" (also by {', '.join(f'“{other.gate}”' for other in others)})" if others else ""
    text = f"Refused by “{first.gate}”: {first.sentence}{more}."
    console.print(text, style="red", highlight=False, markup=False, soft_wrap=True)


def show_choice(console: Console, choice: Choice, metric: str) -> None:
    """Print the candidate, what it was compared with by validation, and the sweeps that were excluded."""
    candidate = choice.candidate
    runs = f"{len(candidate.runs)} run{'s' if len(candidate.runs) > 1 else ''}"
    lines = [
        f"{candidate.name}: {candidate.source} of {candidate.variant}, validation {metric.upper()} "
        f"{candidate.validation:.4f} (median of {runs})",
        *([candidate.compared] if candidate.compared else []),
    ]
    console.print("\n".join(lines), highlight=False, markup=False, soft_wrap=True)
    for sentence in choice.excluded:
        console.print(sentence, style="yellow", highlight=False, markup=False, soft_wrap=True)


def show_gates(
    console: Console, results: Sequence[GateResult], claims: Sequence[Claim], required: Sequence[str]
) -> None:
    """Print a row per gate, and then a row per claim.

    Args:
        console: console to print on.
        results: results of the gates.
        claims: claims with what their intervals say.
        required: names of the gates and claims that the alias requires; other gates are shown dimmed.
    """
    table = Table("gate", "", "figures", box=None, pad_edge=False)
    for result in results:
        word, style = ("passed", "green") if result.passed else ("failed", "red")
        if result.gate not in required:
            style = "dim"
        table.add_row(result.gate, f"[{style}]{word}[/{style}]", escape(result.sentence))
    if claims:
        table.add_row()
        table.add_row("[bold]claim[/bold]")
    add_claims(table, claims, required)
    console.print(table, highlight=False)


def show_claims_line(console: Console, claims: Sequence[Claim]) -> None:
    """Print which claims are not shown and which are refuted."""
    console.print(f"{claims_line(claims)}.", highlight=False, markup=False, soft_wrap=True)


def show_history(console: Console, name: str, alias: str, history: AliasHistory) -> None:
    """Print a row per move, the latest first."""
    if not history.moves:
        console.print(f"{name}@{alias} has never been moved by promote or rollback.", highlight=False)
        return
    table = Table("when", "who", "", "from", "to", "why", box=None, pad_edge=False)
    for move in reversed(history.moves):
        kind = f"{move.kind}, forced" if move.forced else move.kind
        table.add_row(move.when, escape(move.who), kind, str(move.from_version or "–"), str(move.to), escape(move.why))
    console.print(table, highlight=False)
    if history.earlier:
        console.print(f"… and {history.earlier} earlier moves since {history.since}.", highlight=False)
