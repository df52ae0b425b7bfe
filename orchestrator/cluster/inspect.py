"""Inspection of a cluster from outside: its nodes and this project's keys in its store, without a driver or a job.

A process of its own does it: Ray reads its token once in a process's life, and its native code may end the process.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from orchestrator.cluster.auth_token import IN_ENVIRONMENT, auth_disabled, token_file, token_settings
from orchestrator.cluster.loopback import for_ray, refused, split

NAMESPACE = b"hyperassess"
"""Namespace of the cluster's key-value store in which sweeps publish heartbeats."""

_SECONDS = 20


@dataclass(frozen=True)
class ClusterNode:
    """A host of a cluster.

    Attributes:
        address: of the host.
        alive: whether it answers.
        resources: what it gives, such as CPU and GPU.
    """

    address: str
    alive: bool
    resources: dict[str, float]


@dataclass(frozen=True)
class ClusterView:
    """State of a cluster at one time.

    Attributes:
        address: of its head.
        hosts: its living nodes and its lost ones.
        notices: heartbeats of sweeps, by key.
        error: why the cluster could not be inspected.
    """

    address: str
    hosts: tuple[ClusterNode, ...] = ()
    notices: tuple[dict[str, Any], ...] = ()
    error: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the view for JSON."""
        return {"hosts": [asdict(host) for host in self.hosts], "error": self.error}

    def lines(self) -> list[str]:
        """Return a line per node, or why there is none."""
        if self.error:
            return [self.error]
        return [
            f"{host.address}  {'alive' if host.alive else 'lost'}  "
            f"{host.resources.get('CPU', 0):g} CPUs  {host.resources.get('GPU', 0):g} GPUs"
            for host in self.hosts
        ]


def inspect_cluster(address: str, token: str | None = None, seconds: float = _SECONDS) -> ClusterView:
    """Inspect the cluster at `HOST:PORT`.

    Args:
        address: of its head.
        token: file of its token, if known.
        seconds: time limit.
    """
    if split(address)[1] is None:
        return ClusterView(address, error=f"{address} names no cluster: HOST:PORT does.")
    if error := refused(address, min(seconds, 3)):
        return ClusterView(address, error=f"No Ray cluster answers at {address}: {error}.")
    file = Path(token) if token and token != IN_ENVIRONMENT else token_file(address=address)
    guarded = not auth_disabled() and (file.is_file() or IN_ENVIRONMENT in os.environ)
    environment = {**os.environ, **token_settings(file if guarded else None)}
    if token and token != IN_ENVIRONMENT:
        environment.pop(IN_ENVIRONMENT, None)  # that of another cluster
    try:
        done = subprocess.run(
            [sys.executable, "-m", __name__, for_ray(address)],
            capture_output=True,
            text=True,
            timeout=seconds + 2,
            env=environment,
            encoding="utf-8",
        )
        content = json.loads(done.stdout.splitlines()[-1])
    except subprocess.TimeoutExpired:
        return ClusterView(
            address, error=f"The Ray cluster at {address} does not let this user in, or is too busy to answer."
        )
    except (ValueError, IndexError):
        if "InvalidAuthToken" in done.stderr:
            held = IN_ENVIRONMENT if IN_ENVIRONMENT in environment else file
            return ClusterView(address, error=f"The Ray cluster at {address} does not take the token in {held}.")
        last = (done.stderr.strip().splitlines() or ["nothing was said"])[-1]
        return ClusterView(address, error=f"The Ray cluster at {address} cannot be looked at: {last[:300]}")
    return ClusterView(address, tuple(ClusterNode(**host) for host in content["hosts"]), tuple(content["notices"]))


def totals(view: ClusterView) -> str:
    """Return the summed resources of its living nodes."""
    hosts = [host for host in view.hosts if host.alive]
    cpus, gpus = (sum(host.resources.get(kind, 0) for host in hosts) for kind in ("CPU", "GPU"))
    return f"{len(hosts)} host{'' if len(hosts) == 1 else 's'}, {cpus:g} CPUs, {gpus:g} GPUs"


def _print_view(address: str) -> None:
    from ray._raylet import GcsClient  # type: ignore[attr-defined]

    client = GcsClient(address=address)
    nodes = client.get_all_node_info(timeout=10).values()
    hosts = [ClusterNode(node.node_manager_address, node.state == 0, dict(node.resources_total)) for node in nodes]
    keys = client.internal_kv_keys(b"", NAMESPACE, timeout=10)
    values = [client.internal_kv_get(key, NAMESPACE, timeout=10) for key in keys]
    print(
        json.dumps({"hosts": [asdict(host) for host in hosts], "notices": [json.loads(one) for one in values if one]})
    )


if __name__ == "__main__":
    _print_view(sys.argv[1])
