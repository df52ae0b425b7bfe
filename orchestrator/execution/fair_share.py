"""Fair shares of a cluster's slots among sweeps, by priority; no slot is idle that a sweep could use."""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class SlotRequest:
    """Slots that one sweep requests.

    Attributes:
        priority: weight of the sweep.
        wanted: slots it could use now.
    """

    priority: float
    wanted: int


def fair_shares(slots: int, requests: Mapping[str, SlotRequest]) -> dict[str, int]:
    """Return the slots of every sweep, by its id.

    A sweep that requests any slot gets at least one, even if there are more sweeps than slots: Ray then queues them.
    The others go one by one to the sweep with the fewest for its priority, up to its request (D'Hondt's highest
    averages). All sweeps that see the same requests compute the same shares.

    Args:
        slots: number of slots of the whole cluster.
        requests: by the sweeps' ids.

    Example:
        >>> fair_shares(6, {"a": SlotRequest(2, 9), "b": SlotRequest(1, 9)})
        {'a': 4, 'b': 2}
    """
    shares = {name: min(1, request.wanted) for name, request in requests.items()}
    queue = [
        (-request.priority / 2, name)
        for name, request in sorted(requests.items())
        if request.wanted > 1 and request.priority > 0
    ]
    heapq.heapify(queue)
    for _ in range(slots - sum(shares.values())):
        if not queue:
            break
        _, name = heapq.heappop(queue)
        shares[name] += 1
        if shares[name] < requests[name].wanted:
            heapq.heappush(queue, (-requests[name].priority / (shares[name] + 1), name))
    return shares


def in_slots_of(wanted: int, their_total: int, own_total: int) -> int:
    """Convert a number of another sweep's slots to slots of one's own size, rounded up.

    Args:
        wanted: number of slots of the other sweep's size.
        their_total: slots of that size that the cluster has.
        own_total: slots of one's own size that it has.

    Example:
        >>> in_slots_of(3, their_total=16, own_total=4)
        1
    """
    return math.ceil(wanted * own_total / max(their_total, 1))
