"""Refused starts; ports, addresses, tokens and recorded processes."""

import os
import socket
import stat
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import psutil
import pytest
from typer.testing import CliRunner

from orchestrator.cluster import ports as ports_module
from orchestrator.cluster import start as start_module
from orchestrator.cluster.__main__ import cluster
from orchestrator.cluster.auth_token import ensure_token, token_file
from orchestrator.cluster.loopback import for_ray, is_loopback, on_start, refused, split
from orchestrator.cluster.ports import choose_port, free_port
from orchestrator.cluster.process_registry import Process, StartedNode, records
from orchestrator.cluster.start import NodeOptions, address_of, start_head
from orchestrator.cluster.stop import stop_processes
from orchestrator.core.errors import InputError

pytestmark = pytest.mark.e2e


@pytest.fixture(autouse=True)
def own_state(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))  # where Ray keeps a token of its own
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture
def outer() -> str:
    """An address of this host that others reach; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this host has no address but loopback")
        return str(probe.getsockname()[0])


def refusal(*arguments: str, **environment: str) -> str:
    found = CliRunner().invoke(cluster, arguments, env=environment)
    assert found.exit_code == 2 and found.stderr.count("\n") == 1, found.output
    assert not records()
    return found.stderr


class TestRefused:
    def test_letting_others_in_without_a_token(self, outer):
        for arguments, environment in (
            (["--bind", outer, "--no-token"], {}),
            (["--bind", outer], {"RAY_AUTH_MODE": "disabled"}),
            (["--dashboard-bind", "0.0.0.0", "--no-token"], {}),
        ):
            told = refusal("up", "--head", *arguments, **environment)
            assert "without a token any of them can run code on the cluster" in told

    def test_addresses_that_are_none(self, outer):
        assert "is every address" in refusal("up", "--head", "--bind", "0.0.0.0")
        assert "is not an address of this host" in refusal("up", "--head", "--bind", "192.0.2.1")
        assert "HOST:PORT is" in refusal("join", "head")
        assert "not a size such as 16GB" in refusal("up", "--head", "--memory", "much")

    def test_a_port_that_is_taken(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            assert f"Nothing can listen at 127.0.0.1:{port}" in refusal("up", "--head", "--port", str(port))
            assert choose_port("127.0.0.1", None) != port

    def test_ranges_of_ports_that_are_none_or_too_small_or_taken(self, monkeypatch):
        for wrong in ("20000", "a-b", "20999-20000", "80-900", "60000-70000"):
            assert "20000-20999 is" in refusal("up", "--head", "--ports", wrong)
        assert "is 50 ports; this host needs 100" in refusal("up", "--head", "--ports", "20000-20049")
        many = refusal("up", "--head", "--ports", "20000-20099", "--num-cpus", "64")
        assert "is 100 ports; this host needs 128" in many
        monkeypatch.setattr(ports_module, "_taken", lambda host, port: OSError() if port > 20003 else None)
        with pytest.raises(InputError, match="too many of them are taken"):
            ports_module.port_options(range(20000, 20200))

    def test_joining_nobody_or_without_the_token(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            address = f"127.0.0.1:{server.getsockname()[1]}"
            assert "copy it from the head's host" in refusal("join", address)
        assert f"No Ray cluster answers at {address}" in refusal("join", address)

    def test_a_worker_without_a_cluster_and_ends_without_a_beginning(self):
        assert "give --head, set RAY_ADDRESS" in refusal("up")
        assert "are the head's" in refusal("up", "--port", "6379", RAY_ADDRESS="127.0.0.1:1")
        assert "Nothing is up" in refusal("down", "head-6379")


def test_a_port_that_somebody_takes_meanwhile_is_left_to_them(monkeypatch):
    tried = []

    def start(asked: NodeOptions, role: str, address: str, options: list[str]) -> str:
        tried.append(split(address)[1])
        if len(tried) == 1:
            taken.append(socket.create_server(("127.0.0.1", tried[0] or 0)))
            raise InputError("Ray did not start")
        return address

    taken: list[socket.socket] = []
    monkeypatch.setattr("orchestrator.cluster.start._start", start)
    found = start_head(NodeOptions("127.0.0.1", None), None)
    taken.pop().close()
    assert found == f"127.0.0.1:{tried[1]}" and tried[0] != tried[1]
    tried.clear()
    with pytest.raises(InputError, match="has taken port .* meanwhile"):
        start_head(NodeOptions("127.0.0.1", None), free_port())
    taken.pop().close()


def test_every_port_of_a_range_has_one_use_and_the_heads_is_excluded(monkeypatch):
    monkeypatch.setattr(ports_module, "_taken", lambda host, port: OSError() if port == 20001 else None)
    options = dict(
        one.split("=") for one in ports_module.port_options(range(20000, 20200), ["--dashboard-port"], 20050)
    )
    workers = [int(port) for port in options.pop("--worker-port-list").split(",")]
    own = [int(port) for port in options.values()]
    assert len(own) == 7 and {*own, *workers} == set(range(20000, 20200)) - {20001, 20050}
    assert len(own) + len(workers) == 198
    monkeypatch.setattr(ports_module, "_taken", lambda host, port: None)
    wide = ports_module.port_options(range(20000, 60001))
    assert len(wide[-1]) < 100_000  # one argument has at most 131,072 characters


def test_trials_inherit_no_secret_but_the_stores(monkeypatch):
    secret = {"HF_TOKEN", "GITHUB_TOKEN", "MLFLOW_TRACKING_PASSWORD", "PGPASSWORD", "PGPASSFILE", "WANDB_API_KEY"}
    secret |= {"MLFLOW_FLASK_SERVER_SECRET_KEY", "SSH_AUTH_SOCK", "RAY_ADDRESS", "GOOGLE_APPLICATION_CREDENTIALS"}
    needed = {"AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "HYPERASSESS_CACHE", "CUDA_VISIBLE_DEVICES", "HTTPS_PROXY"}
    secret |= {"MYSQL_PWD", "OPENAI_KEY", "SSH_PRIVATE_KEY"}
    needed |= {"TOKENIZERS_PARALLELISM", "SSL_CERT_FILE", "NCCL_DEBUG"}
    for name in secret | needed:
        monkeypatch.setenv(name, "something")
    found = start_module._environment(NodeOptions("127.0.0.1", None))
    assert not secret & set(found) and needed <= set(found)


def test_loopback_is_set_where_ray_would_avoid_it_and_named_so_that_ray_does_not_know_it():
    parameters = SimpleNamespace(node_ip_address="192.0.2.2")
    on_start(parameters, True)
    assert parameters.node_ip_address == "127.0.0.1"
    assert for_ray("localhost:6379") == for_ray("127.0.0.1:6379") == "[::ffff:127.0.0.1]:6379"
    assert for_ray("10.0.0.1:6379") == "10.0.0.1:6379" and split("[::ffff:127.0.0.1]:6379") == (
        "::ffff:127.0.0.1",
        6379,
    )
    assert address_of("localhost") == address_of("127.0.0.9") == "127.0.0.1"
    assert not is_loopback("head.example") and is_loopback("::1")
    with socket.create_server(("127.0.0.1", 0)) as server:
        here = f"127.0.0.1:{server.getsockname()[1]}"
        assert refused(for_ray(here)) is None
    assert refused(here) is not None


def test_a_token_is_made_once_for_its_owner_alone(tmp_path, monkeypatch):
    path = token_file()
    ensure_token(path)
    first = path.read_text(encoding="utf-8")
    ensure_token(path)
    assert path.read_text(encoding="utf-8") == first and len(first) == 64 and stat.S_IMODE(path.stat().st_mode) == 0o600
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "other"))
    assert token_file() == tmp_path / "other" and token_file(tmp_path / "given") == tmp_path / "given"


def test_a_cluster_that_was_started_without_us_has_rays_own_token(tmp_path):
    rays = tmp_path / ".ray" / "auth_token"
    rays.parent.mkdir()
    rays.write_text("a", encoding="utf-8")
    assert token_file(address="head:6379") == rays and token_file() != rays
    ensure_token(token_file())
    assert token_file(address="head:6379") == token_file()


def test_only_those_very_processes_are_ended(tmp_path):
    """A number that another process has by now is left alone, as is what others started."""
    sleeping = [sys.executable, "-c", "import subprocess, sys; subprocess.run([sys.executable, '-c', 'input()'])"]
    ours, theirs = (subprocess.Popen(sleeping, stdin=subprocess.PIPE, start_new_session=True) for _ in range(2))
    try:
        known = [Process.of(psutil.Process(process.pid)) for process in (ours, theirs)]
        assert known[0] and known[1]
        reused = replace(known[1], since=known[1].since - 100)
        folder = tmp_path / "ray"
        folder.mkdir()
        record = StartedNode(
            "head-1", "head", "127.0.0.1:1", "127.0.0.1", None, str(folder), True, "", (known[0], reused)
        )
        record.save()
        assert records() == [record]
        while len(record.alive()) < 2:
            pass
        assert stop_processes(record) == 2
        assert ours.poll() is not None and theirs.poll() is None
        assert not records() and not folder.exists() and known[0].alive() is None
    finally:
        for process in (ours, theirs):
            process.kill()
            process.communicate()


def test_record_of_another_version_is_ignored(tmp_path):
    folder = tmp_path / "state" / "hyperassess" / "clusters" / socket.gethostname()
    folder.mkdir(parents=True)
    (folder / "head-1.json").write_text('{"name": "head-1"}', encoding="utf-8")
    (folder / "head-2.json").write_text("{", encoding="utf-8")
    assert records() == [] and os.listdir(folder)
