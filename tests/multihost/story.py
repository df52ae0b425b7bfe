"""The story of a small cluster, step by step, each with its time."""

import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from orchestrator.execution.failures import FailureKind
from orchestrator.search.outcome import Outcome
from tests.multihost.host import Host, Lan
from tests.multihost.leaks import in_arguments, in_files, in_runs
from tests.multihost.ray_cluster import RayCluster
from tests.multihost.services import Database, Store, Tracking
from tests.multihost.sweep import BUCKET, BUDGET, Sweep
from tests.ratings import make_ratings
from tests.records import Records

HOSTS = ("head", "worker-1", "worker-2", "worker-3")
"""The fourth joins later."""


@dataclass
class Story:
    """Steps of the run with their times.

    Attributes:
        say: called with each step.
        steps: step → seconds from the beginning.
    """

    say: Callable[[str], None]
    steps: dict[str, float] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)

    def step(self, what: str) -> None:
        seconds = time.monotonic() - self.began
        self.steps[what] = round(seconds, 1)
        self.say(f"{seconds:6.1f} s  {what}")


def run_story(folder: Path, story: Story) -> None:
    """Run the sweep across the hosts; raise AssertionError with what was lost."""
    team = _set_up(folder, story)
    sweep = _begin(team, story)
    lost = _lose(team.workers[1], sweep, story)
    secrets = {
        "token": team.cluster.token(),
        "database's password": team.database.environment["PGPASSWORD"],
        "store's key": team.store.environment["AWS_SECRET_ACCESS_KEY"],
        "server's password": team.tracking.environment["MLFLOW_TRACKING_PASSWORD"],
    }
    assert not (found := in_arguments(secrets)), found
    joined = _join(team, sweep, story)
    sweep.end()
    story.step("the sweep has ended")
    records = Records(sweep.workspace, team.tracking.outside, BUDGET)
    compared = records.check() + _compare_store(sweep, records)
    logs = [folder / "logs", sweep.workspace.root, *team.lan.folder.glob("hosts/*/tmp")]
    assert not (found := [*in_files(secrets, logs), *in_runs(secrets, records.runs)]), found
    again = {key: epochs for key, epochs in records.trained_again().items() if epochs}
    assert set(again) <= set(lost), f"trained again: {again}; on the lost host were {lost}"
    spans = [max(epochs.values()) - min(epochs.values()) for epochs in again.values()]
    assert all(span <= 2.5 for span in spans), f"more than an epoch or a second trained again: {again}"
    for key in lost:
        assert records.trials[key].outcome is Outcome.COMPLETE, f"{key}: {records.trials[key].outcome}"
    hosts = Counter(sweep.where(key) for key in records.trials)
    assert hosts[joined.name], f"no trial ended on {joined.name}: {hosts}"
    for host in (*team.workers, joined):
        assert not (host.disk / "sweeps").exists(), f"the sweep wrote its folder on {host.name}"
    story.step(f"ledger, MLflow, folder and store agree in {compared} figures; trained again: {again or 'no epoch'}")
    story.step("neither the token nor a password is in any process's arguments, log, file of the sweep or run")
    story.step("trials by the host they ended on: " + ", ".join(f"{name} {n}" for name, n in sorted(hosts.items())))


def _compare_store(sweep: Sweep, records: Records) -> int:
    """Compare each trial's files in the sweep's folder with the store's, and return their number."""
    compared = 0
    for key in records.trials:
        manifest = sweep.manifest(key)
        assert manifest is not None, f"the store has nothing of {key}"
        for name, file in manifest["files"].items():
            path = sweep.workspace.trials / key / name
            if path.is_file() and name != "checkpoint.json":  # the index names what is kept in its own place
                digest = sha256(path.read_bytes()).hexdigest()
                assert digest == file["sha256"], f"{key}: {name} is not the store's"
                compared += 1
    return compared


@dataclass(frozen=True)
class Team:
    """Hosts and what runs on them."""

    lan: Lan
    head: Host
    workers: list[Host]
    cluster: RayCluster
    database: Database
    store: Store
    tracking: Tracking


def _set_up(folder: Path, story: Story) -> Team:
    lan = Lan(folder, HOSTS)
    head, one, two = (Host(lan, name) for name in HOSTS[:3])
    story.step("three hosts are up: " + ", ".join(f"{host.name} {host.address}" for host in (head, one, two)))
    database, store = Database(head), Store(one)
    cluster = RayCluster(head, store.environment)
    starting = cluster.up()
    (head.disk / "data").mkdir()
    make_ratings(head.disk / "data")
    store.wait()
    database.wait()
    story.step("PostgreSQL listens on head, the S3 store on worker-1")
    tracking = Tracking(head, database, store)
    _done(starting, head)
    story.step(f"Ray's head listens at {cluster.address}")
    _refuses(cluster, one)
    for host in (one, two):
        cluster.give_token(host)
    joining = [(cluster.join(host), host) for host in (one, two)]
    for process, host in joining:
        _done(process, host)
    story.step("worker-1 and worker-2 have joined")
    tracking.wait()
    story.step(f"MLflow serves at {tracking.uri}")
    team = Team(lan, head, [one, two], cluster, database, store, tracking)
    _look_around(team)
    story.step("a task on each host: all reach all services, the data set is on head alone")
    return team


def _refuses(cluster: RayCluster, host: Host) -> None:
    """Assert that a host without the token is refused with a reason."""
    process = cluster.join(host)
    assert process.wait(180) == 2, "a host without the token joined"
    said = (host.logs / "cluster.txt").read_text(encoding="utf-8")
    assert f"The token of {cluster.address} cannot be read" in said, said


def _look_around(team: Team) -> None:
    """Assert that each host sees all services and no other host's disk."""
    secret = [str(team.lan.home / part) for part in ("data", ".cache", "sweeps")]
    services = [f"{team.head.address}:5432", f"{team.store.host.address}:9000", "head:5000"]
    command = [sys.executable, "-m", "tests.multihost.see", *secret, "--", *services]
    seen = json.loads(team.head.run(command, team.cluster.driver()))
    assert seen["head"]["paths"][:1] == secret[:1], seen
    for name, view in seen.items():
        assert view["answers"] == services, f"{name} reaches {view['answers']} of {services}"
        assert name == "head" or not view["paths"], f"{name} sees {view['paths']}"
    assert sorted(seen) == ["head", "worker-1", "worker-2"], seen


def _begin(team: Team, story: Story) -> Sweep:
    sweep = Sweep(team.head, team.store)
    settings = ["--address", team.cluster.address, "--tracking-uri", team.tracking.uri]
    settings += ["--ledger", team.database.url("ledger"), "--storage-path", f"s3://{BUCKET}"]
    passwords = {**team.database.environment, **team.tracking.environment}
    sweep.start(settings, {**passwords, **team.store.environment})
    os.environ.update(passwords)  # to read ledger and MLflow from outside
    sweep.wait_for("ledger", sweep.begun)
    story.step("the sweep has begun on head")
    return sweep


def _lose(host: Host, sweep: Sweep, story: Story) -> list[str]:
    """Cut a host off while it trains, and return its trials."""
    keys = sweep.wait_for(f"trial on {host.name}", lambda: sweep.running_on(host.name, least=3))
    epochs = {key: len(sweep.trials()[key].epochs) for key in keys}
    host.unplug()
    story.step(f"{host.name} is cut off in the midst of " + ", ".join(f"{k} (epoch {n})" for k, n in epochs.items()))

    def told() -> bool:
        trials = sweep.trials()
        return all(trials[key].outcome or trials[key].attributes.get("failures") for key in keys)

    sweep.wait_for("word of the lost host", told)
    trials = sweep.trials()
    failures = {key: failure for key in keys for failure in trials[key].attributes.get("failures", ())}
    story.step("the driver knows: " + ", ".join(f"{key}, {failure['kind']}" for key, failure in failures.items()))
    for failure in failures.values():
        assert failure["kind"] == FailureKind.NODE_LOST, failure["text"]
    return list(keys)


def _join(team: Team, sweep: Sweep, story: Story) -> Host:
    host = Host(team.lan, HOSTS[3])
    team.cluster.give_token(host)
    _done(team.cluster.join(host), host)
    story.step(f"{host.name} {host.address} has joined")
    key = sweep.wait_for(f"trial on {host.name}", lambda: sweep.running_on(host.name))[0]
    story.step(f"{host.name} trains {key}")
    return host


def _done(process, host: Host) -> None:  # type: ignore[no-untyped-def]
    if process.wait(180):
        raise RuntimeError(
            f"Ray did not start on {host.name}:\n{(host.logs / 'cluster.txt').read_text(encoding='utf-8')[-3000:]}"
        )
