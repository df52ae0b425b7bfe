"""Clock skew of a cluster's hosts, measured by a process of its own as `inspect` is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

from orchestrator.cluster.auth_token import use_token
from orchestrator.cluster.loopback import for_ray, refused


def clock_offsets(address: str, seconds: float) -> dict[str, float] | None:
    """Return the address of each host → seconds that its clock is ahead of this one; None after a timeout.

    Args:
        address: of the cluster, which includes this host.
        seconds: time limit, without the start of Ray's client.
    """
    if refused(address, min(seconds, 3)):
        return None
    try:
        done = subprocess.run(
            [sys.executable, "-m", __name__, address, str(seconds)],
            capture_output=True,
            text=True,
            timeout=seconds + 4,
            encoding="utf-8",
        )
        content: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    except (subprocess.TimeoutExpired, ValueError, IndexError):
        return None
    return content


def _print_offsets(address: str, seconds: float) -> None:
    use_token(address)
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    ray.init(address=for_ray(address), log_to_driver=False, logging_level="ERROR", configure_logging=False)

    @ray.remote(num_cpus=0)
    def clock() -> float:
        return time.time()

    asked = {
        node["NodeManagerAddress"]: clock.options(
            scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        )
        for node in ray.nodes()
        if node["Alive"]
    }
    ray.get(
        [task.remote() for task in asked.values()], timeout=seconds
    )  # starts a worker on each, so that none is slow
    offsets = {}
    for host, task in asked.items():
        before = time.time()
        there = ray.get(task.remote(), timeout=seconds)
        offsets[host] = there - (before + time.time()) / 2
    print(json.dumps(offsets))


if __name__ == "__main__":
    _print_offsets(sys.argv[1], float(sys.argv[2]))
