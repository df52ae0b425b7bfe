"""Verdicts and histories for people."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from orchestrator.registry.promotion.alias_history import AliasHistory
from orchestrator.registry.promotion.gates import GateResult


def show_verdicts(console: Console, verdicts: Sequence[GateResult], asked: Sequence[str]) -> None:
    """A row a gate, in the order in which they judge.

    Args:
        console: where it is shown.
        verdicts: of the gates.
        asked: names of the gates that the alias asks for; the others are shown and refuse nothing.
    """
    table = Table("gate", "", "figures", box=None, pad_edge=False)
    for verdict in verdicts:
        word, style = ("passed", "green") if verdict.passed else ("failed", "red")
        if verdict.gate not in asked:
            style = "dim"
        table.add_row(verdict.gate, f"[{style}]{word}[/{style}]", escape(verdict.sentence))
    console.print(table, highlight=False)


def show_history(console: Console, name: str, alias: str, history: AliasHistory) -> None:
    """A row a move, the latest first."""
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
