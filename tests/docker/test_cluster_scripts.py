"""A real Ray head, started by its image's script, and what head and worker refuse."""

import socket

import pytest

from tests.docker.scripts import free_port, run, running, wait_healthy


@pytest.fixture
def token(tmp_path):
    file = tmp_path / "ray_token"
    file.write_text("a" * 64, encoding="utf-8")
    return file


def test_head_is_healthy_for_a_client_with_the_token(token, tmp_path):
    port = free_port()
    settings = {
        "NODE_ADDRESS": "127.0.0.1",
        "RAY_PORT": port,
        "RAY_ADDRESS": f"127.0.0.1:{port}",
        "RAY_AUTH_TOKEN_PATH": token,
        "NODE_CPUS": 1,
        "OBJECT_STORE_MEMORY": "80MB",
    }
    before = run("health.sh", "head", **settings)
    assert before.returncode
    log = tmp_path / "head.txt"
    with running(["head.sh"], log, **settings, PGPASSWORD="not-for-trials", XDG_STATE_HOME=tmp_path / "head") as head:
        wait_healthy(head, "head", log, 180, **settings)
        wrong = tmp_path / "wrong_token"
        wrong.write_text("b" * 64, encoding="utf-8")
        assert run("health.sh", "head", **{**settings, "RAY_AUTH_TOKEN_PATH": wrong}).returncode
        assert run("health.sh", "raylet", **{**settings, "RAY_AUTH_TOKEN_PATH": wrong}).returncode == 0
        elsewhere = run("health.sh", "worker", **{**settings, "NODE_ADDRESS": "127.0.0.9"})
        assert elsewhere.returncode == 1  # the head answers, and knows no such host
    assert "a" * 64 not in log.read_text(encoding="utf-8")
    assert head.returncode is not None
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port))  # it has taken Ray along


def test_worker_reports_a_head_that_never_answers(token):
    port = free_port()
    done = run("worker.sh", RAY_ADDRESS=f"127.0.0.1:{port}", RAY_AUTH_TOKEN_PATH=token, WAIT_SECONDS=1)
    assert done.returncode == 1
    assert done.stderr == f"wait-for.sh: nobody listens at 127.0.0.1:{port} after 1 seconds.\n"


@pytest.mark.parametrize("script", ["head.sh", "worker.sh"])
def test_node_without_the_token_does_not_start(script, tmp_path):
    empty = tmp_path / "empty"
    empty.touch()
    for given in ({}, {"RAY_AUTH_TOKEN_PATH": empty}):
        done = run(script, **given, RAY_ADDRESS="127.0.0.1:1")
        assert (done.returncode, done.stderr) == (2, f"{script}: RAY_AUTH_TOKEN_PATH names no file with a token.\n")
