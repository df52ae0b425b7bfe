"""The story of a small cluster, step by step, each with its time."""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.hosts.host import Host, Lan
from tests.hosts.ray_cluster import RayCluster
from tests.hosts.services import Database, Store, Tracking
from tests.ratings import make_ratings

HOSTS = ("head", "worker-1", "worker-2", "worker-3")
"""The fourth joins later."""


@dataclass
class Story:
    """What happened, and when.

    Attributes:
        say: told each step.
        steps: what was done → seconds from the beginning.
    """

    say: Callable[[str], None]
    steps: dict[str, float] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)

    def step(self, what: str) -> None:
        seconds = time.monotonic() - self.began
        self.steps[what] = round(seconds, 1)
        self.say(f"{seconds:6.1f} s  {what}")


def tell(folder: Path, story: Story) -> None:
    lan = Lan(folder, HOSTS)
    head, one, two = (Host(lan, name) for name in HOSTS[:3])
    story.step("three hosts are up: " + ", ".join(f"{host.name} {host.address}" for host in (head, one, two)))
    database, store = Database(head), Store(one)
    cluster = RayCluster(head)
    starting = cluster.begin(head, cpus=0)
    (head.disk / "data").mkdir()
    make_ratings(head.disk / "data")
    store.wait()
    database.wait()
    story.step("PostgreSQL listens on head, the S3 store on worker-1")
    tracking = Tracking(head, database, store)
    _done(starting, head)
    story.step(f"Ray's head listens at {cluster.address}")
    joining = [(cluster.begin(host, cpus=1), host) for host in (one, two)]
    for process, host in joining:
        _done(process, host)
    story.step("worker-1 and worker-2 have joined")
    tracking.wait()
    story.step(f"MLflow serves at {tracking.uri}")
    secret = [str(lan.home / part) for part in ("data", ".cache", "sweeps")]
    services = [f"{head.address}:5432", f"{one.address}:9000", "head:5000"]
    seen = json.loads(
        head.run([sys.executable, "-m", "tests.hosts.see", *secret, "--", *services], cluster.environment(head))
    )
    assert seen["head"]["paths"][:1] == secret[:1], seen
    for name, view in seen.items():
        assert view["answers"] == services, f"{name} reaches {view['answers']} of {services}"
        assert name == "head" or not view["paths"], f"{name} sees {view['paths']}"
    assert sorted(seen) == ["head", "worker-1", "worker-2"], seen
    story.step("a task on each host: all reach all services, the data set is on head alone")


def _done(process, host: Host) -> None:  # type: ignore[no-untyped-def]
    if process.wait(90):
        raise RuntimeError(f"Ray did not start on {host.name}:\n{(host.logs / 'ray.txt').read_text()[-3000:]}")
