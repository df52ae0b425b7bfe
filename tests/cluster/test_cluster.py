"""Two real clusters on one host, a sweep on one of them, and nothing of a password in whatever it leaves."""

import base64
import getpass
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
from PIL import Image

from orchestrator.cluster.inspect import inspect_cluster
from orchestrator.cluster.process_registry import StartedNode, records

pytestmark = pytest.mark.e2e

PASSWORD = "hunter2-and-more"
PORTS = range(21400, 21600)


@dataclass(frozen=True)
class Host:
    """A folder with this user's settings, and what was started with them."""

    folder: Path

    def run(self, command: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", f"orchestrator.{command}", *arguments],
            cwd=self.folder,
            env={**os.environ, "COLUMNS": "200", **environment},
            capture_output=True,
            text=True,
            timeout=500,
            encoding="utf-8",
        )

    def start(self, *arguments: str) -> StartedNode:
        small = ("--num-cpus", "1", "--object-store-memory", "80MB")
        before = {record.name for record in records()}
        done = self.run("cluster", *arguments, *small)
        assert done.returncode == 0, done.stderr
        [record] = [record for record in records() if record.name not in before]
        assert record.address in done.stdout
        return record


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    folder = tmp_path_factory.mktemp("host")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(folder / "state"))
        patch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
        host = Host(folder)
        try:
            yield host
        finally:
            host.run("cluster", "down", "--all")


@pytest.fixture(scope="module")
def ours(host: Host) -> StartedNode:
    return host.start("up", "--head")


@pytest.fixture(scope="module")
def theirs(host: Host, ours: StartedNode) -> StartedNode:
    theirs = ["--name", "theirs", "--token-path", str(host.folder / "their-token")]
    theirs += ["--spill-dir", str(host.folder / "spilled")]
    ports = ["--ports", f"{PORTS[0]}-{PORTS[-1]}", "--port", str(PORTS[7])]
    return host.start("up", "--head", *theirs, *ports)


@pytest.fixture(scope="module")
def worker(host: Host, ours: StartedNode, theirs: StartedNode) -> StartedNode:
    return host.start("join", ours.address)


@pytest.fixture(scope="module")
def mlflow() -> Iterator[ThreadingHTTPServer]:
    """Serve HTTP that is too busy for any request; requests are recorded."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.server.heard.add(self.headers.get("Authorization"))  # type: ignore[attr-defined]
            self.send_error(503)  # 403 would refuse the sweep

        do_POST = do_GET

        def log_message(self, *message: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.heard = set()  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_each_has_a_port_a_folder_and_a_token_of_its_own_and_only_this_host_reaches_it(ours, theirs, worker):
    assert ours.address != theirs.address and ours.folder != theirs.folder != worker.folder
    assert ours.token != theirs.token and worker.token == ours.token
    assert ours.token and os.stat(ours.token).st_mode & 0o777 == 0o600
    secrets = [Path(one.token or "").read_text(encoding="utf-8") for one in (ours, theirs)]
    for record in (ours, theirs, worker):
        for process in record.alive():
            assert not any(secret in argument for secret in secrets for argument in process.cmdline())
            outer = [one.laddr for one in process.net_connections() if one.status == psutil.CONN_LISTEN]
            assert {address.ip for address in outer} <= {"127.0.0.1", "::ffff:127.0.0.1"}
    assert len(inspect_cluster(ours.address).hosts) == 2 and len(inspect_cluster(theirs.address).hosts) == 1
    assert f"does not take the token in {theirs.token}" in str(inspect_cluster(ours.address, token=theirs.token).error)


def test_all_that_a_host_opens_comes_from_the_range_it_was_given(host, theirs):
    """The ports of Ray's processes, a sweep's driver and its workers; the folder that objects spill to."""
    code = (
        "import json, pathlib, sys, psutil, ray\n"
        "from orchestrator.cluster.session import ray_session\n"
        "def mine():\n"
        "    found = psutil.Process().net_connections()\n"
        "    return [one.laddr.port for one in found if one.status == 'LISTEN']\n"
        "with ray_session(sys.argv[1], 1, 0):\n"
        "    kept = [ray.put(bytes(30_000_000)) for _ in range(4)]\n"  # more than the store has
        "    assert all(len(ray.get(one)) == 30_000_000 for one in kept)\n"
        "    spilled = [one.name for one in pathlib.Path(sys.argv[2]).rglob('*') if one.is_file()]\n"
        "    print(json.dumps([mine(), ray.get(ray.remote(mine).remote()), spilled]))\n"
    )
    command = [sys.executable, "-c", code, theirs.address, str(host.folder / "spilled")]
    environment = {**os.environ, "RAY_AUTH_TOKEN_PATH": str(theirs.token)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, encoding="utf-8")
    assert done.returncode == 0, done.stderr[-2000:]
    driver, worker, spilled = json.loads(done.stdout.splitlines()[-1])
    own = [one for process in theirs.alive() for one in process.net_connections() if one.status == psutil.CONN_LISTEN]
    opened = {one.laddr.port for one in own}
    assert driver and worker and len(opened) >= 4
    assert spilled, "what did not fit lies elsewhere"
    assert {*opened, *driver, *worker} <= set(PORTS)


def test_a_sweeps_own_ray_is_reached_by_this_host_alone(host):
    code = (
        "import psutil\n"
        "from orchestrator.cluster.session import ray_session\n"
        "with ray_session('local', 1, 0):\n"
        "    me = psutil.Process()\n"
        "    found = [one for part in (me, *me.children(recursive=True)) for one in part.net_connections()]\n"
        "    print(sorted({one.laddr.ip for one in found if one.status == 'LISTEN'}))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, encoding="utf-8")
    listening = set(json.loads(done.stdout.splitlines()[-1].replace("'", '"')))
    assert listening == {"127.0.0.1", "::ffff:127.0.0.1"}, done.stderr


def test_a_sweep_needs_a_profile_and_no_flag_and_leaves_no_password_behind(host, worker, mlflow):
    """The profile names cluster, token and MLflow; only MLflow receives the password."""
    rows = []
    for number in range(48):
        pixels = np.random.default_rng(number).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(host.folder / f"{number:02d}.png")
        rows.append({"image": f"{number:02d}.png", "prompt": f"thing {number // 2}", "alignment": number / 10})
    pd.DataFrame(rows).to_csv(host.folder / "ratings.csv", index=False)
    profile = host.folder / "config" / "hyperassess" / "profile.toml"
    profile.write_text(f'[team]\naddress = "{worker.address}"\n', encoding="utf-8")
    uri = f"http://me:{PASSWORD}@127.0.0.1:{mlflow.server_port}"
    environment = {
        "HYPERASSESS_PROFILE": "team",
        "MLFLOW_TRACKING_URI": uri,
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
        "HF_HUB_OFFLINE": "1",
    }
    done: list[subprocess.CompletedProcess[str]] = []
    arguments = ["--variant", "plain_head", "--dataset", "csv:ratings.csv", "--name", "mine", "--confirm", "0"]
    arguments += ["--trials", "2", "--epochs", "10", "--pruner", "none"]
    sweep = threading.Thread(target=lambda: done.append(host.run("sweep", *arguments, **environment)))
    sweep.start()
    seen = None
    while sweep.is_alive() and not seen:
        seen = inspect_cluster(worker.address).notices
    sweep.join()
    [finished] = done
    assert finished.returncode == 0, finished.stderr[-2000:]
    assert f"Ray cluster: {worker.address} (the profile team in {profile})" in finished.stdout
    assert f"MLflow: http://127.0.0.1:{mlflow.server_port} (MLFLOW_TRACKING_URI)" in finished.stdout
    assert seen and (seen[0]["name"], seen[0]["owner"], seen[0]["slots"]) == ("mine", getpass.getuser(), 2)
    assert inspect_cluster(worker.address).notices == ()
    basic = base64.b64encode(f"me:{PASSWORD}".encode()).decode()
    assert mlflow.heard == {f"Basic {basic}"}  # type: ignore[attr-defined]
    token = Path(worker.token or "").read_text(encoding="utf-8")
    folders = [host.folder / "sweeps", host.folder / "state", *(Path(record.folder) for record in records())]
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    assert any(path.name == "events.jsonl" or "spool" in path.parts for path in files)
    texts = [finished.stdout.encode(), finished.stderr.encode(), *(path.read_bytes() for path in files)]
    for secret in (PASSWORD, basic, token):
        assert not any(secret.encode() in text for text in texts)


def test_down_ends_its_own_and_leaves_the_other_alone(host, ours, theirs, worker):
    known = {process.pid: process.create_time() for process in theirs.alive()}
    folders = [Path(record.folder) for record in (ours, worker)]
    processes = [process for record in (ours, worker) for process in record.alive()]
    psutil.Process(worker.processes[0].pid).kill()  # what it started does not outlive `down`, though it cannot ask
    told = host.run("cluster", "down")
    assert told.returncode == 2 and "name one of" in told.stderr
    for record in (worker, ours):
        assert host.run("cluster", "down", record.name).stdout.startswith(f"{record.name} is down")
    _, left = psutil.wait_procs(processes, timeout=5)
    assert not left and not any(folder.exists() for folder in folders)
    assert {process.pid: process.create_time() for process in theirs.alive()} == known
    [state] = json.loads(host.run("cluster", "status", "--json").stdout)
    assert state["name"] == "theirs" and state["running"] and state["hosts"][0]["resources"]["CPU"] == 1
    assert host.run("cluster", "down").stdout.startswith("theirs is down")
    time.sleep(0.1)
    assert not any(psutil.pid_exists(pid) and psutil.Process(pid).create_time() == at for pid, at in known.items())
