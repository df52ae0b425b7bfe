"""Two curves of what should be one training, side by side."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from orchestrator.sweeps.rerun.original_run import FINAL, Curve


@dataclass(frozen=True)
class CurveComparison:
    """A training then and now.

    Attributes:
        name: of the run.
        then: what was recorded.
        now: what came out this time.
        changed: what is not as it was then, in sentences.
    """

    name: str
    then: Curve
    now: Curve
    changed: tuple[str, ...]

    @property
    def same(self) -> bool:
        """True if every recorded figure was reproduced bit for bit."""
        return self.first_difference is None

    @property
    def first_difference(self) -> str | None:
        """The first figure that is not the same, in a sentence."""
        for epoch in self._order():
            for name in sorted(self.then[epoch]):
                then, now = self.then[epoch][name], self.now.get(epoch, {}).get(name)
                if now is None or not _equal(then, now):
                    return f"{_title(epoch)}: {name} was {then!r}, now {'missing' if now is None else repr(now)}"
        return None

    def as_dict(self) -> dict[str, Any]:
        """Return the comparison for JSON; figures that are not finite are null."""
        return {
            "run": self.name,
            "same": self.same,
            "first_difference": self.first_difference,
            "changed": list(self.changed),
            "epochs": [
                {"epoch": epoch, "then": _finite(self.then[epoch]), "now": _finite(self.now.get(epoch, {}))}
                for epoch in self._order()
            ],
        }

    def show(self, console: Console) -> None:
        """Print the objective of each epoch, and whether all of its figures are the same."""
        table = Table("epoch", "validation SRCC then", "now", "all figures", box=None, pad_edge=False)
        for epoch in self._order():
            shown = "best_val_srcc" if epoch == FINAL else "val_srcc"
            then, now = self.then[epoch], self.now.get(epoch, {})
            equal = all(name in now and _equal(value, now[name]) for name, value in then.items())
            table.add_row(
                _title(epoch).removeprefix("epoch "),
                repr(then.get(shown, math.nan)),
                repr(now.get(shown, math.nan)),
                "equal" if equal else "different",
            )
        console.print(table, highlight=False)
        for line in self.changed:
            console.print(f"Not as it was then: {line}", style="yellow", highlight=False, markup=False, soft_wrap=True)
        found = f"first difference at {self.first_difference}" if self.first_difference else "the same bit for bit"
        console.print(f"{self.name}: {found}.", highlight=False, markup=False, soft_wrap=True)

    def _order(self) -> list[int]:
        return sorted(self.then, key=lambda epoch: (epoch == FINAL, epoch))


def _title(epoch: int) -> str:
    return "in the end" if epoch == FINAL else f"epoch {epoch}"


def _equal(then: float, now: float) -> bool:
    return then == now or (math.isnan(then) and math.isnan(now))


def _finite(figures: dict[str, float]) -> dict[str, float | None]:
    return {name: value if math.isfinite(value) else None for name, value in figures.items()}
