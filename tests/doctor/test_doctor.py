"""Checks of packages, services and the machine, each with a state that passes and one that does not."""

import json
import os
import re
import threading
from collections import namedtuple
from collections.abc import Callable, Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path
from time import time

import pytest
from packaging.version import Version
from typer.testing import CliRunner

from orchestrator.core.errors import InputError
from orchestrator.doctor import machine, packages, services
from orchestrator.doctor.__main__ import doctor
from orchestrator.doctor.finding import Finding, Level
from orchestrator.doctor.packages import check_packages, minimum_version
from orchestrator.doctor.services import check_cluster, check_ledger, check_mlflow, check_storage, check_token

Serve = Callable[..., str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Function that starts a fake MLflow server and returns its URI."""
    servers = []

    def start(status: int = 200, number: str = "3.17.2", ahead: float = 0, password: str = "") -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                is_version = self.path.endswith("/version")
                allowed = is_version or not password or self.headers.get("Authorization") == password
                self.send_response_only(status if allowed else 401)
                self.send_header("Date", formatdate(time() + ahead, usegmt=True))
                self.end_headers()
                self.wfile.write(number.encode() if is_version else b"{}")

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
    assert all(finding.fix for finding in findings if finding.level is not Level.OK)
    return [(finding.check, finding.level) for finding in findings]


class TestPackages:
    def test_check_packages_passes_in_this_environment(self):
        assert levels(check_packages()) == [("packages", Level.OK)]

    @pytest.mark.parametrize("number", ["2.59.0", "2.60.0rc1", "3.0.0", None])
    def test_check_packages_fails_for_a_version_outside_the_range(self, number):
        [found] = check_packages(lambda name: number if name == "ray" else version(name))
        assert found.level is Level.FAIL and found.said.startswith(f"ray {number or 'is missing'};")
        assert found.fix == "python -m pip install 'ray[tune]<3,>=2.60'"

    def test_check_packages_warns_if_the_project_is_not_installed(self, monkeypatch):
        monkeypatch.setattr(packages, "PROJECT", "no-such-package")
        assert levels(check_packages()) == [("packages", Level.WARN)]

    @pytest.mark.parametrize(
        ("package", "first_fixed", "published"),
        [
            ("ray", "2.56.0", "CVE-2025-62593, CVE-2026-27482, CVE-2026-57516"),
            ("mlflow", "3.15.0", "CVE-2026-64849"),
            ("torch", "2.10.0", "CVE-2025-32434, CVE-2026-24747"),
            ("pillow", "12.2.0", "CVE-2026-25990, CVE-2026-40192"),
            ("transformers", "5.3.0", "CVE-2026-4372"),
        ],
    )
    def test_requirements_exclude_versions_with_published_holes(self, package, first_fixed, published):
        assert minimum_version(package) >= Version(first_fixed), published


class TestMlflow:
    def test_check_mlflow_passes_if_the_server_answers(self, serve):
        assert levels(check_mlflow(serve())) == [("MLflow", Level.OK), ("clocks", Level.OK)]

    def test_check_mlflow_fails_if_no_server_answers(self):
        [found] = check_mlflow("http://127.0.0.1:9")
        assert found.level is Level.FAIL and "no server answers at http://127.0.0.1:9" in found.said

    def test_check_mlflow_warns_or_fails_by_clock_skew(self, serve):
        assert ("clocks", Level.WARN) in levels(check_mlflow(serve(ahead=-20)))
        found = check_mlflow(serve(ahead=600))
        assert ("clocks", Level.FAIL) in levels(found) and re.search("(599|600) seconds ahead", found[1].said)

    def test_check_mlflow_uses_the_password_of_the_environment(self, serve, monkeypatch):
        uri = serve(password="Basic bWU6aHVudGVyMg==")
        found = check_mlflow(uri)
        assert found[0].level is Level.FAIL and "MLFLOW_TRACKING_PASSWORD" in (found[0].fix or "")
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "me")
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "hunter2")
        assert levels(check_mlflow(uri))[0] == ("MLflow", Level.OK)

    def test_check_mlflow_warns_of_a_public_server_without_password_or_encryption(self, serve, monkeypatch):
        monkeypatch.setattr(services, "is_loopback", lambda host: False)
        [warned] = [finding for finding in check_mlflow(serve()) if finding.level is Level.WARN]
        assert "accepts changes of runs" in warned.said and "mlflow.sh" in (warned.fix or "")
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "me")
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "hunter2")
        messages = [finding.said for finding in check_mlflow(serve(password="Basic bWU6aHVudGVyMg=="))]
        assert not any("accepts changes" in message for message in messages)
        assert any("without encryption" in message for message in messages)

    def test_check_mlflow_warns_of_an_old_server_and_fails_for_another_server(self, serve):
        warned = check_mlflow(serve(number="3.14.0"))[-1]
        assert warned.level is Level.WARN and "MLflow 3.14.0, older than 3.17" in warned.said
        assert "answers with 404" in check_mlflow(serve(status=404))[0].said

    def test_check_mlflow_checks_a_database_file(self, tmp_path):
        assert levels(check_mlflow(f"sqlite:///{tmp_path / 'mlflow.db'}")) == [("MLflow", Level.OK)]
        assert levels(check_mlflow("sqlite:////absent/mlflow.db")) == [("MLflow", Level.FAIL)]


class TestOtherServices:
    def test_check_ledger(self, tmp_path):
        assert levels(check_ledger(None)) == [("ledger", Level.OK)]
        assert levels(check_ledger(f"sqlite:///{tmp_path}/ledger.db")) == [("ledger", Level.OK)]
        [found] = check_ledger("postgresql://127.0.0.1:9/none")
        assert found.level is Level.FAIL and "cannot be reached" in found.said

    def test_check_storage(self, tmp_path):
        assert check_storage(None) == []
        assert levels(check_storage(str(tmp_path))) == [("storage", Level.OK)] and not list(tmp_path.iterdir())
        [found] = check_storage("/absent/folder")
        assert (
            found.level is Level.FAIL
            and "/absent/folder does not store a file: the folder does not exist" in found.said
        )
        (tmp_path / "file").touch()
        [found] = check_storage(str(tmp_path / "file"))
        assert found.level is Level.FAIL

    @pytest.mark.parametrize("wrong", ["gs://bucket", "s3://key:secret-words@bucket/x"])
    def test_check_storage_refuses_an_unsupported_url(self, wrong):
        with pytest.raises(InputError, match="takes a folder") as caught:
            check_storage(wrong)
        assert "secret-words" not in str(caught.value)

    def test_check_cluster_fails_if_it_does_not_answer(self):
        [found] = check_cluster("127.0.0.1:9")
        assert found.level is Level.FAIL and "cluster up --head" in (found.fix or "")
        assert levels(check_cluster(None)) == [("cluster", Level.OK)]

    def test_check_token_warns_if_others_can_read_it(self, tmp_path):
        token = tmp_path / "token"
        assert check_token(token) == []
        token.write_text("a", encoding="utf-8")
        token.chmod(0o644)
        [found] = check_token(token)
        assert found.level is Level.WARN and found.fix == f"chmod 600 {token}"
        token.chmod(0o600)
        assert levels(check_token(token)) == [("token", Level.OK)]


class TestMachine:
    @pytest.mark.parametrize("free, level", [(10**10, Level.OK), (2 * 10**9, Level.WARN), (10**8, Level.FAIL)])
    def test_check_disks_and_shared_memory_by_free_space(self, monkeypatch, tmp_path, free, level):
        monkeypatch.setattr(machine, "free_bytes", lambda folder: free)
        assert {finding.level for finding in machine.check_disks(tmp_path / "sweeps")} == {level}
        shared = Level.OK if free >= 2 * 10**9 else Level.WARN
        assert levels(machine.check_shared_memory(tmp_path)) == [("shared memory", shared)]

    @pytest.mark.parametrize("soft, level", [(65536, Level.OK), (1024, Level.WARN), (256, Level.FAIL)])
    def test_check_files_by_limit(self, monkeypatch, soft, level):
        monkeypatch.setattr("resource.getrlimit", lambda which: (soft, 65536))
        [found] = machine.check_files()
        assert found.level is level and f"{soft} open files" in found.said

    def test_check_gpus_warns_if_pytorch_finds_none(self, monkeypatch):
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

    def test_check_weights(self, monkeypatch, tmp_path):
        assert {finding.level for finding in machine.check_weights()} == {Level.OK}
        assert levels(machine.check_weights([("minilm", "no_such_package")])) == [("weights", Level.FAIL)]
        monkeypatch.setenv("HYPERASSESS_WEIGHTS", str(tmp_path / "absent"))
        assert ("weights", Level.WARN) in levels(machine.check_weights())


def test_doctor_exits_with_1_and_prints_the_fix_if_a_check_fails(elsewhere, serve):
    environment = {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9", "COLUMNS": "200"}
    environment["HYPERASSESS_STORAGE_PATH"] = "/absent/folder"
    found = CliRunner().invoke(doctor, [], env=environment)
    assert found.exit_code == 1 and "fail MLflow: no server answers" in found.stdout and "→ start it" in found.stdout
    assert "fail storage: /absent/folder does not store a file" in found.stdout
    found = CliRunner().invoke(doctor, ["--json", "--tracking-uri", serve()])
    by_check = {finding["check"]: finding["level"] for finding in json.loads(found.stdout)}
    assert by_check["MLflow"] == "ok" and {"packages", "disk", "files", "weights", "ledger", "cluster"} < set(by_check)
    assert found.exit_code == (1 if "fail" in by_check.values() else 0)
    assert not os.listdir(elsewhere)
