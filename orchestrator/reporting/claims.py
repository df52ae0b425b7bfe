"""Comparison claims about a model, its control and its baselines: shown, not shown, or refuted by an interval."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from models import CONTROL
from orchestrator.reporting.baseline_names import BASELINE_LABELS

MARGIN = 0.02
"""Difference in correlation up to which a model counts as not inferior to its control."""

NO_PIXEL = {
    "generator_mean": "the generator's mean",
    "prompt_mean": "the prompt's mean",
    "generator_prompt_mean": "generator and prompt means",
}
"""Baselines that do not read the image. A baseline without predictions for the test images has no table."""

OPPONENTS = {"control": CONTROL, "ridge": BASELINE_LABELS["ridge"], **NO_PIXEL}
"""Key of a comparison → name of what the model is compared with."""


class Status(StrEnum):
    """Answer of an interval to a claim."""

    SHOWN = "shown"
    """The whole interval agrees."""
    NOT_SHOWN = "not shown"
    """The interval reaches over both sides, or there is none."""
    REFUTED = "refuted"
    """The whole interval disagrees."""


_STYLES = {Status.SHOWN: "green", Status.NOT_SHOWN: "yellow", Status.REFUTED: "red"}


@dataclass(frozen=True)
class Claim:
    """A statement about a model, with what its interval says.

    Attributes:
        name: the statement in a few words, such as "better than plain_head".
        status: shown, not shown or refuted.
        sentence: difference and interval, or why there are none.
        figures: the same for JSON.
    """

    name: str
    status: Status
    sentence: str
    figures: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the claim for JSON."""
        return {"claim": self.name, "status": str(self.status), "sentence": self.sentence, "figures": self.figures}


def names_of_claims(opponent: str, margin: float) -> dict[str, float]:
    """Return name of each claim about an opponent → difference that its interval must exceed.

    Example:
        >>> names_of_claims("ridge", 0.02)
        {'better than ridge regression': 0.0}
    """
    better = {f"better than {OPPONENTS[opponent]}": 0.0}
    return (
        {**better, f"not inferior to {OPPONENTS[opponent]} by {margin:g}": -margin} if opponent == "control" else better
    )


def status_of(low: float, high: float, threshold: float = 0.0) -> Status:
    """Return what an interval says about a difference above `threshold`; NaN shows nothing.

    Example:
        >>> status_of(-0.01, 0.03), status_of(-0.01, 0.03, -0.02)
        (<Status.NOT_SHOWN: 'not shown'>, <Status.SHOWN: 'shown'>)
    """
    if low > threshold:
        return Status.SHOWN
    return Status.REFUTED if high < threshold else Status.NOT_SHOWN


def claims_of_result(result: Mapping[str, Any]) -> list[Claim]:
    """Return the claims about the best configuration in a sweep's `result.json`.

    Of several targets each has its own claims, since a result has no interval of their mean.
    """
    comparisons = result.get("comparisons", ())
    several = len({comparison["target"] for comparison in comparisons}) > 1
    claims = []
    for comparison in comparisons:
        difference, (low, high) = comparison["srcc_difference"], comparison["interval"]
        if comparison["against"] not in OPPONENTS or difference is None:
            continue
        bounds = [math.nan if bound is None else bound for bound in (low, high)]
        of = f" in {comparison['target']}" if several else ""
        sentence = f"SRCC {difference:+.4f}, 95 % interval {bounds_text(low, high)}"
        for name, threshold in names_of_claims(comparison["against"], MARGIN).items():
            status = status_of(bounds[0], bounds[1], threshold)
            claims.append(Claim(f"{name}{of}", status, sentence))
    return claims


def add_claims(table: Table, claims: Iterable[Claim], required: Collection[str] = ()) -> None:
    """Add a row per claim to a table of three columns; a required claim that is not shown is red."""
    for claim in claims:
        style = "red" if claim.name in required and claim.status is not Status.SHOWN else _STYLES[claim.status]
        table.add_row(claim.name, f"[{style}]{claim.status}[/{style}]", escape(claim.sentence))


def print_claims(console: Console, claims: Sequence[Claim]) -> None:
    """Print a table of claims; nothing if there are none."""
    if claims:
        table = Table("claim", "", "figures", box=None, pad_edge=False)
        add_claims(table, claims)
        console.print(table, highlight=False)


def bounds_text(low: float | None, high: float | None) -> str:
    """Return `[+0.0012, +0.0234]`, with a dash for a bound that is missing.

    Example:
        >>> bounds_text(-0.01, 0.02)
        '[-0.0100, +0.0200]'
    """
    return f"[{', '.join('–' if bound is None else f'{bound:+.4f}' for bound in (low, high))}]"


def claims_line(claims: Iterable[Claim]) -> str:
    """Return which claims are not shown and which are refuted, in one sentence without a full stop.

    Example:
        >>> claims_line([Claim("better than plain_head", Status.NOT_SHOWN, "")])
        'Not shown: better than plain_head'
    """
    parts = []
    listed = list(claims)
    for status in (Status.NOT_SHOWN, Status.REFUTED):
        if names := [claim.name for claim in listed if claim.status is status]:
            parts.append(f"{status}: {', '.join(names)}")
    if not listed:
        return "No claim can be examined"
    text = "; ".join(parts) or "every claim is shown"
    return text[0].upper() + text[1:]
