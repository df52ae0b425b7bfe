"""Liveness probe: notices that Ray's head or this machine's raylet is gone before Ray ends the process.

Ray's native code ends a driver whose head does not answer: no exception, no exit handler, no message. A thread
therefore checks that the addresses accept connections, and reports the loss while the process still runs.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Mapping

from orchestrator.cluster.loopback import split

logger = logging.getLogger(__name__)

Address = tuple[str, int]

OWN_PATIENCE = 2.0
"""Seconds; a part of a cluster of our own does not come back, and Ray waits 15."""

SHARED_PATIENCE = 45.0
"""Seconds that a head of a shared cluster may be away; it may be restarted, and Ray waits 60."""


class LivenessProbe:
    """Check every second that each part of Ray accepts connections; use it as a context.

    Args:
        parts: name for people → address.
        patience: seconds that a part may be away.
        lost: called once, with a sentence that names the lost part.
        listens: whether an address accepts connections.
        clock: seconds.
    """

    def __init__(
        self,
        parts: Mapping[str, Address],
        patience: float,
        lost: Callable[[str], None],
        listens: Callable[[Address], bool] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._parts = parts
        self._patience = patience
        self._lost = lost
        self._listens = listens or _listens
        self._clock = clock
        self._away: dict[str, float] = {}
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lifeline", daemon=True)

    def __enter__(self) -> LivenessProbe:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._closing.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closing.wait(1.0):
            if self.probe():
                return

    def probe(self) -> bool:
        """Check once; return whether a part has been away for too long, after `lost` was called."""
        now = self._clock()
        for part, address in self._parts.items():
            if self._listens(address):
                self._away.pop(part, None)
            elif now - self._away.setdefault(part, now) >= self._patience and not self._closing.is_set():
                host, port = address
                self._lost(f"Ray's {part} at {host}:{port} is gone: it was killed, or its machine is.")
                return True
        return False


def lifeline_of_ray(shared: bool, lost: Callable[[str], None]) -> LivenessProbe:
    """Return the liveness probe of this process's Ray session.

    Args:
        shared: whether the session joined a running cluster.
        lost: called with the lost part; Ray ends the process soon after.
    """
    import ray

    context = ray.get_runtime_context()
    host, port = split(context.gcs_address)
    parts = {"head (gcs_server)": (host, port or 0)}
    here = context.get_node_id()
    for node in ray.nodes():
        if node["NodeID"] == here:
            parts["raylet on this machine"] = (node["NodeManagerAddress"], int(node["NodeManagerPort"]))
    return LivenessProbe(parts, SHARED_PATIENCE if shared else OWN_PATIENCE, lost)


def _listens(address: Address) -> bool:
    """Return False only if the connection is refused or impossible; a slow peer counts as alive."""
    try:
        socket.create_connection(address, timeout=5).close()
    except TimeoutError:
        # A host that is gone answers nothing; one that is very busy neither. Ray itself will know.
        return True
    except OSError:
        return False
    return True
