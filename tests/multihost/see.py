"""`python -m tests.multihost.see PATH… -- HOST:PORT…`: a task on every node of the cluster says what it sees there.

Prints, for every host: its name, those of the paths that are there, and those of the addresses that answer.
"""

import json
import socket
import sys
from pathlib import Path

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy


@ray.remote(num_cpus=0)
def look(paths: list[str], addresses: list[str]) -> tuple[str, list[str], list[str]]:
    answering = []
    for address in addresses:
        host, _, port = address.rpartition(":")
        try:
            socket.create_connection((host, int(port)), timeout=5).close()
            answering.append(address)
        except OSError:
            continue
    return socket.gethostname(), [path for path in paths if Path(path).exists()], answering


def main(paths: list[str], addresses: list[str]) -> None:
    ray.init(address="auto", log_to_driver=False, logging_level="ERROR")
    nodes = [node["NodeID"] for node in ray.nodes() if node["Alive"]]
    tasks = [
        look.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)).remote(paths, addresses)
        for node in nodes
    ]
    seen = {name: {"paths": there, "answers": answers} for name, there, answers in ray.get(tasks, timeout=90)}
    print(json.dumps(seen))


if __name__ == "__main__":
    middle = sys.argv.index("--")
    main(sys.argv[1:middle], sys.argv[middle + 1 :])
