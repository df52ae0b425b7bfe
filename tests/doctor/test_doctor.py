"""Each check against what it is for: holes by version, servers that are away, strange or slow clocks, little room."""

import json
import os
import re
import threading
from collections import namedtuple
from collections.abc import Callable, Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import time

import pytest
from typer.testing import CliRunner

from orchestrator.core.errors import InputError
from orchestrator.doctor import machine, services
from orchestrator.doctor.__main__ import doctor
from orchestrator.doctor.advisories import ADVISORIES, check_packages
from orchestrator.doctor.finding import Finding, Level
from orchestrator.doctor.services import check_cluster, check_ledger, check_mlflow, check_storage, check_token

Serve = Callable[..., str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts something that answers like an MLflow server."""
    servers = []

    def start(status: int = 200, version: str = "3.17.2", ahead: float = 0, password: str = "") -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked = self.path.endswith("/version")
                allowed = asked or not password or self.headers.get("Authorization") == password
                self.send_response_only(status if allowed else 401)
                self.send_header("Date", formatdate(time() + ahead, usegmt=True))
                self.end_headers()
                self.wfile.write(version.encode() if asked else b"{}")

            def log_message(self, *message: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def levels(findings: list[Finding]) -> list[tuple[str, Level]]:
    assert all(one.fix for one in findings if one.level is not Level.OK)
    return [(one.check, one.level) for one in findings]


class TestPackages:
    def test_what_is_installed_here_has_no_hole_that_is_known_here(self):
        assert levels(check_packages()) == [("packages", Level.OK)]

    @pytest.mark.parametrize("advisory", ADVISORIES, ids=lambda one: f"{one.package} {one.fixed}")
    def test_each_hole_is_open_before_its_fix_and_closed_by_it(self, advisory):
        def said(version: str) -> str:
            found = check_packages({advisory.package: version}.get)
            return " ".join(f"{one.level} {one.said} {one.fix}" for one in found)

        before = advisory.since or "1.0"
        level = "fail" if advisory.reached else "warn"
        assert f"{level} {advisory.package} {before}" in said(before) and advisory.source in said(before)
        assert f"{advisory.package}>={advisory.fixed}" in said(before)
        assert advisory.source in said(f"{advisory.fixed}rc1") and advisory.source not in said(advisory.fixed)

    def test_one_that_came_later_is_not_in_earlier_versions(self):
        found = check_packages({"pillow": "10.2.0"}.get)
        assert all("CVE-2026-25990" not in one.said for one in found)


class TestMlflow:
    def test_one_that_answers(self, serve):
        assert levels(check_mlflow(serve())) == [("MLflow", Level.OK), ("clocks", Level.OK)]

    def test_one_that_is_away(self):
        [found] = check_mlflow("http://127.0.0.1:9")
        assert found.level is Level.FAIL and "nobody answers at http://127.0.0.1:9" in found.said

    def test_a_clock_that_is_off(self, serve):
        assert ("clocks", Level.WARN) in levels(check_mlflow(serve(ahead=-20)))
        found = check_mlflow(serve(ahead=600))
        assert ("clocks", Level.FAIL) in levels(found) and re.search("(599|600) seconds ahead", found[1].said)

    def test_a_password_is_asked_for_and_shown(self, serve, monkeypatch):
        uri = serve(password="Basic bWU6aHVudGVyMg==")
        found = check_mlflow(uri)
        assert found[0].level is Level.FAIL and "MLFLOW_TRACKING_PASSWORD" in (found[0].fix or "")
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "me")
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "hunter2")
        assert levels(check_mlflow(uri))[0] == ("MLflow", Level.OK)

    def test_one_that_others_reach_and_that_asks_for_no_password(self, serve, monkeypatch):
        monkeypatch.setattr(services, "is_loopback", lambda host: False)
        [warned] = [one for one in check_mlflow(serve()) if one.level is Level.WARN]
        assert "lets everybody change its runs" in warned.said and "mlflow.sh" in (warned.fix or "")
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "me")
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "hunter2")
        said = [one.said for one in check_mlflow(serve(password="Basic bWU6aHVudGVyMg=="))]
        assert not any("everybody" in one for one in said) and any("without encryption" in one for one in said)

    def test_a_server_with_a_hole_and_one_that_is_none(self, serve):
        assert "CVE-2026-64849" in check_mlflow(serve(version="3.14.0"))[-1].said
        assert "answers with 404" in check_mlflow(serve(status=404))[0].said

    def test_a_file(self, tmp_path):
        assert levels(check_mlflow(f"sqlite:///{tmp_path / 'mlflow.db'}")) == [("MLflow", Level.OK)]
        assert levels(check_mlflow("sqlite:////absent/mlflow.db")) == [("MLflow", Level.FAIL)]


class TestOtherPlaces:
    def test_a_ledger(self, tmp_path):
        assert levels(check_ledger(None)) == [("ledger", Level.OK)]
        assert levels(check_ledger(f"sqlite:///{tmp_path}/ledger.db")) == [("ledger", Level.OK)]
        [found] = check_ledger("postgresql://127.0.0.1:9/none")
        assert found.level is Level.FAIL and "cannot be reached" in found.said

    def test_a_storage(self, tmp_path):
        assert check_storage(None) == []
        assert levels(check_storage(str(tmp_path))) == [("storage", Level.OK)] and not list(tmp_path.iterdir())
        [found] = check_storage("/absent/folder")
        assert found.level is Level.FAIL and "/absent/folder takes no file: there is no such folder" in found.said
        (tmp_path / "file").touch()
        [found] = check_storage(str(tmp_path / "file"))
        assert found.level is Level.FAIL

    @pytest.mark.parametrize("wrong", ["gs://bucket", "s3://key:secret-words@bucket/x"])
    def test_a_storage_that_a_sweep_would_refuse(self, wrong):
        with pytest.raises(InputError, match="takes a folder") as caught:
            check_storage(wrong)
        assert "secret-words" not in str(caught.value)

    def test_a_cluster_that_is_away(self):
        [found] = check_cluster("127.0.0.1:9")
        assert found.level is Level.FAIL and "cluster up --head" in (found.fix or "")
        assert levels(check_cluster(None)) == [("cluster", Level.OK)]

    def test_a_token_that_others_read(self, tmp_path):
        token = tmp_path / "token"
        assert check_token(token) == []
        token.write_text("a")
        token.chmod(0o644)
        [found] = check_token(token)
        assert found.level is Level.WARN and found.fix == f"chmod 600 {token}"
        token.chmod(0o600)
        assert levels(check_token(token)) == [("token", Level.OK)]


class TestMachine:
    @pytest.mark.parametrize("free, level", [(10**10, Level.OK), (2 * 10**9, Level.WARN), (10**8, Level.FAIL)])
    def test_room(self, monkeypatch, tmp_path, free, level):
        monkeypatch.setattr(machine, "free_bytes", lambda folder: free)
        assert {one.level for one in machine.check_disks(tmp_path / "sweeps")} == {level}
        shared = Level.OK if free >= 2 * 10**9 else Level.WARN
        assert levels(machine.check_shared_memory(tmp_path)) == [("shared memory", shared)]

    @pytest.mark.parametrize("soft, level", [(65536, Level.OK), (1024, Level.WARN), (256, Level.FAIL)])
    def test_open_files(self, monkeypatch, soft, level):
        monkeypatch.setattr("resource.getrlimit", lambda which: (soft, 65536))
        [found] = machine.check_files()
        assert found.level is level and f"{soft} open files" in found.said

    def test_a_gpu_that_torch_does_not_see(self, monkeypatch):
        import torch

        monkeypatch.setattr("shutil.which", lambda name: None)
        monkeypatch.setattr(Path, "exists", lambda path: False)
        assert machine.check_gpus()[0].said == "none: trials run on CPUs"
        monkeypatch.setattr("shutil.which", lambda name: "/usr/bin/nvidia-smi")
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
        assert levels(machine.check_gpus()) == [("GPUs", Level.WARN)]
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        card = namedtuple("Card", ["name", "total_memory"])("H100", 80 * 10**9)
        monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: card)
        assert machine.check_gpus()[0].said == "H100 with 80.0 GB"

    def test_weights(self, monkeypatch, tmp_path):
        assert {one.level for one in machine.check_weights()} == {Level.OK}
        assert levels(machine.check_weights([("minilm", "no_such_package")])) == [("weights", Level.FAIL)]
        monkeypatch.setenv("HYPERASSESS_WEIGHTS", str(tmp_path / "absent"))
        assert ("weights", Level.WARN) in levels(machine.check_weights())


def test_one_that_fails_ends_with_1_and_says_how_to_mend_it(elsewhere, serve):
    monkeypatched = {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9", "COLUMNS": "200"}
    monkeypatched["HYPERASSESS_STORAGE_PATH"] = "/absent/folder"
    found = CliRunner().invoke(doctor, [], env=monkeypatched)
    assert found.exit_code == 1 and "fail MLflow: nobody answers" in found.stdout and "→ start it" in found.stdout
    assert "fail storage: /absent/folder takes no file" in found.stdout
    found = CliRunner().invoke(doctor, ["--json", "--tracking-uri", serve()])
    by_check = {one["check"]: one["level"] for one in json.loads(found.stdout)}
    assert by_check["MLflow"] == "ok" and {"packages", "disk", "files", "weights", "ledger", "cluster"} < set(by_check)
    assert found.exit_code == (1 if "fail" in by_check.values() else 0)
    assert not os.listdir(elsewhere)
