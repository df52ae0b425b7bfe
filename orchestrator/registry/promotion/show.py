"""Tables of gate results and alias histories."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from orchestrator.registry.promotion.alias_history import AliasHistory
from orchestrator.registry.promotion.gates import GateResult


def show_gates(console: Console, results: Sequence[GateResult], required: Sequence[str]) -> None:
    """Print a row per gate.

    Args:
        console: console to print on.
        results: results of the gates.
        required: names of the gates that the alias requires; the others are shown dimmed.
    """
    table = Table("gate", "", "figures", box=None, pad_edge=False)
    for result in results:
        word, style = ("passed", "green") if result.passed else ("failed", "red")
        if result.gate not in required:
            style = "dim"
        table.add_row(result.gate, f"[{style}]{word}[/{style}]", escape(result.sentence))
    console.print(table, highlight=False)


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
