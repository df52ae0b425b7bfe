"""MLflow before a sweep begins: never right ends it with what to do, away for now is said, ready is silent."""

import shutil
import sqlite3
import threading
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from mlflow import MlflowClient

from orchestrator.core.errors import InputError
from orchestrator.core.sqlite_url import sqlite_url
from orchestrator.tracking import check_destination as module
from orchestrator.tracking.check_destination import check_destination
from orchestrator.tracking.mlflow_sink import MlflowSink
from orchestrator.tracking.tracking_variables import IGNORED


@pytest.fixture
def file(database, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return shutil.copy(database, tmp_path / "mlflow.db")


@pytest.fixture
def http():
    """Start a server that answers every request with a status and a text, and is not an MLflow."""
    servers = []

    def start(status, text, kind="text/html"):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                body = text.encode()
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_PUT = do_DELETE = do_GET

            def log_message(self, *arguments):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()


def check(uri, experiment="text_hyper on shapes"):
    return list(check_destination(str(uri), experiment))


def test_a_database_that_is_not_there_yet_is_not_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert check(sqlite_url(tmp_path / "mlflow.db")) == [] and not any(tmp_path.iterdir())


def test_a_database_that_is_ready_passes_and_stays_as_it_was(file):
    before = file.read_bytes()
    assert check(sqlite_url(file)) == []
    assert file.read_bytes() == before and {path.name for path in file.parent.iterdir()} == {"mlflow.db"}


@pytest.mark.parametrize("file", ["/proc/mlflow.db", "/dev/null/mlflow.db"])
def test_a_database_that_cannot_be_written_is_refused(file):
    with pytest.raises(InputError, match="cannot be written: choose another with --tracking-uri"):
        check(f"sqlite:///{file}")


def test_a_file_that_is_not_a_database_is_refused(tmp_path):
    (tmp_path / "mlflow.db").write_text("notes, not a database at all\n" * 100, encoding="utf-8")
    with pytest.raises(InputError, match="it is not a database: choose another"):
        check(sqlite_url(tmp_path / "mlflow.db"))


def test_a_database_that_is_locked_is_away(file, monkeypatch):
    connect = sqlite3.connect
    monkeypatch.setattr(module.sqlite3, "connect", lambda *a, timeout, **more: connect(*a, timeout=0.1, **more))
    with closing(connect(file)) as other:
        other.execute("BEGIN IMMEDIATE")
        (sentence,) = check(sqlite_url(file))
    assert "is away (database is locked)" in sentence


def test_a_deleted_experiment_is_said_to_be_restored(file):
    client = MlflowClient(sqlite_url(file))
    client.delete_experiment(client.create_experiment("mine"))
    (sentence,) = check(sqlite_url(file), "mine")
    assert sentence == "The experiment “mine” was deleted in MLflow and is restored."
    MlflowSink(sqlite_url(file), "mine", "sweep", "source")
    assert check(sqlite_url(file), "mine") == []


@pytest.mark.parametrize("location", ["/proc/mlruns", "file:///dev/null/mlruns"])
def test_an_artifact_folder_that_cannot_be_written_is_refused(file, location):
    MlflowClient(sqlite_url(file)).create_experiment("mine", artifact_location=location)
    with pytest.raises(InputError, match="this machine cannot write: start its server with --artifacts-destination"):
        check(sqlite_url(file), "mine")


def test_variables_that_would_send_runs_elsewhere_are_said_and_ignored(file, monkeypatch):
    for name in IGNORED:
        monkeypatch.setenv(name, "1")
    (sentence,) = check(sqlite_url(file))
    assert sentence.startswith("Ignored: MLFLOW_RUN_ID, MLFLOW_EXPERIMENT_ID") and "“text_hyper on shapes”" in sentence
    sink = MlflowSink(sqlite_url(file), "mine", "sweep", "source")
    assert MlflowClient(sqlite_url(file)).get_experiment(sink.experiment_id).name == "mine"


@pytest.mark.parametrize(
    ("status", "text", "sentence"),
    [
        (404, "<h1>Not Found</h1>", "no MLflow answers under this path: correct the path"),
        (405, "<h1>Method Not Allowed</h1>", "no MLflow answers under this path"),
        (200, "<html>Welcome to nginx</html>", "it answers with a web page: correct the address"),
        (401, "You are not authenticated.", "it refuses this user: set MLFLOW_TRACKING_USERNAME"),
        (403, '{"error_code": "PERMISSION_DENIED", "message": "Permission denied"}', "it refuses this user"),
    ],
)
def test_a_server_that_will_never_take_the_runs_is_refused(http, status, text, sentence):
    with pytest.raises(InputError, match=sentence):
        check(http(status, text))


@pytest.mark.parametrize("status", [500, 502, 503, 429])
def test_a_server_with_an_error_of_its_own_is_away(http, status):
    (sentence,) = check(http(status, "busy"))
    assert " is away (" in sentence and "The sweep runs" in sentence and len(sentence) < 350


def test_a_server_that_does_not_answer_is_away():
    (sentence,) = check("http://127.0.0.1:9")
    assert sentence.startswith("MLflow at http://127.0.0.1:9 is away (")


def test_https_to_a_server_of_http_is_refused(http):
    with pytest.raises(InputError, match="does not speak https: write http://"):
        check(http(200, "").replace("http://", "https://"))


def test_a_server_that_is_ready_passes_and_keeps_nothing(server, tracking_server):
    assert check(server, "fresh") == []
    client = MlflowClient(server)
    assert client.get_experiment_by_name("fresh") is None
    client.create_experiment("fresh")
    assert check(server, "fresh") == []
    assert not list((tracking_server.folder / "artifacts").rglob("write-check*"))
    with pytest.raises(InputError, match="no MLflow answers under this path"):
        check(f"{server}/mlflow", "fresh")
