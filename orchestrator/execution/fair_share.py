"""How many slots of a shared cluster a sweep may use: by priority among those that want any, whole slots, none idle."""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class SlotRequest:
    """What one sweep asks for.

    Attributes:
        priority: its weight.
        wanted: slots it could fill now.
    """

    priority: float
    wanted: int


def fair_shares(slots: int, claims: Mapping[str, SlotRequest]) -> dict[str, int]:
    """Slots of every sweep, by its id.

    Whoever wants any gets one at least, even where there are more sweeps than slots: Ray has them wait in turn. The
    rest goes one by one to whoever has the fewest for its priority (the highest averages of D'Hondt), up to what it
    wants. All sweeps that see the same claims come to the same numbers.

    Args:
        slots: of the whole cluster.
        claims: by the sweeps' ids.
    """
    given = {name: min(1, claim.wanted) for name, claim in claims.items()}
    queue = [
        (-claim.priority / 2, name) for name, claim in sorted(claims.items()) if claim.wanted > 1 and claim.priority > 0
    ]
    heapq.heapify(queue)
    for _ in range(slots - sum(given.values())):
        if not queue:
            break
        _, name = heapq.heappop(queue)
        given[name] += 1
        if given[name] < claims[name].wanted:
            heapq.heappush(queue, (-claims[name].priority / (given[name] + 1), name))
    return given


def in_slots_of(wanted: int, theirs: int, mine: int) -> int:
    """What another sweep wants, counted in slots of one's own size.

    Args:
        wanted: slots of its size.
        theirs: how many of these the cluster has.
        mine: how many of one's own size it has.
    """
    return math.ceil(wanted * mine / max(theirs, 1))
