"""The MLflows that a sink is tested on: in memory, on SQLite, on a server, on PostgreSQL where there is one."""

import contextlib
import shutil
import signal
from functools import partial

import pytest
from mlflow import MlflowClient

from tests.tracking.tracked import MemoryTracked, Server, Tracked, lost_answers


@pytest.fixture(scope="session")
def database(tmp_path_factory):
    """An SQLite database with MLflow's tables, which take seconds to make."""
    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    with contextlib.chdir(path.parent):
        MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture(scope="module")
def tracking_server(database, tmp_path_factory):
    """Start a tracking server; a test that kills it restarts it."""
    folder = tmp_path_factory.mktemp("server")
    shutil.copy(database, folder / "mlflow.db")
    server = Server(folder).start()
    try:
        yield server
    finally:
        server.kill(signal.SIGTERM)


@pytest.fixture
def server(tracking_server):
    """Return the URI of the tracking server."""
    return tracking_server.uri


@pytest.fixture(scope="session")
def postgres_uri(request):
    """Return the URI of a PostgreSQL database with MLflow's tables."""
    try:
        url = request.getfixturevalue("postgres").create_database()
    except pytest.FixtureLookupError:
        pytest.skip("there is no PostgreSQL to test on")
    uri = url.replace("postgresql://", "postgresql+psycopg://")
    MlflowClient(uri).search_experiments()
    return uri


def uri_of(kind, request):
    if kind == "sqlite":
        return f"sqlite:///{request.getfixturevalue('database')}"
    if kind == "server":
        return request.getfixturevalue("server")
    return request.getfixturevalue("postgres_uri")


@pytest.fixture(params=["sqlite", "server", "postgres"])
def uri(request):
    return uri_of(request.param, request)


@pytest.fixture
def tracked(uri, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # MLflow on SQLite writes artifacts into ./mlruns
    return Tracked(uri, tmp_path)


@pytest.fixture(params=["memory", "sqlite", "server", "postgres"])
def conforming(request, tmp_path, monkeypatch):
    """Return a spool with each sink that has to pass the conformance suite."""
    monkeypatch.chdir(tmp_path)
    if request.param == "memory":
        return MemoryTracked(tmp_path)
    made = Tracked(uri_of(request.param, request), tmp_path)
    made.answers_lost = partial(lost_answers, monkeypatch)
    return made
