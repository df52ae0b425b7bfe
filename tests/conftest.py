"""Fixtures of every test: a cache and an MLflow of the session's own, one thread, and an empty working folder."""

import os
import shutil
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import s3
from tests.postgres import PostgresServer, served

if TYPE_CHECKING:
    from tests.simulated_tune import SimulatedRayTune

REPOSITORY = Path(__file__).parents[1]
SERVERS = {"postgres", "s3", "server"}
"""Values of a test's parameters that choose a real server."""
SERVER_FIXTURES = {"postgres", "postgres_uri", "s3_server", "tracking_server"}
INTEGRATION_FIXTURES = {"simulated_tune", "mlflow_database", "weights", "made_weights"}
"""Fixtures of tests that run several parts together."""
STARTERS = {"Nodes", "Server", "ray_session", "served", "wait_healthy"}
"""Names that a module imports to start Ray or a server."""


SKIPPED_IN_CI = ("is not at ", "no GPU", "namespaces", "the right to mount", "no address but loopback")
"""Parts of the reasons that a test may be skipped for in CI: real data sets, devices and rights that CI lacks."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test in CI if it is skipped for something that CI installs."""
    report = yield
    if os.environ.get("CI") == "true" and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if not any(part in reason for part in SKIPPED_IN_CI):
            report.outcome, report.longrepr = "failed", f"skipped in CI: {reason}"
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test as `unit`, `integration` or `e2e`; run `long` modules first, then others with an `e2e` test."""
    for item in items:
        if not any(item.get_closest_marker(kind) for kind in ("unit", "integration", "e2e")):
            item.add_marker(_kind(item))
    modules = {item.path for item in items if item.get_closest_marker("e2e")}
    items.sort(key=lambda item: (item.get_closest_marker("long") is None, item.path not in modules))


def _kind(item: pytest.Item) -> str:
    if item.get_closest_marker("long") or _uses_server(item):
        return "e2e"
    return "integration" if INTEGRATION_FIXTURES & set(getattr(item, "fixturenames", ())) else "unit"


def _uses_server(item: pytest.Item) -> bool:
    chosen = getattr(getattr(item, "callspec", None), "params", {}).values()
    named = any(isinstance(value, str) and value in SERVERS for value in chosen)
    fixtures = set(getattr(item, "fixturenames", ()))
    return named or bool(SERVER_FIXTURES & fixtures) or bool(STARTERS & vars(getattr(item, "module", item)).keys())


@pytest.fixture(scope="session", autouse=True)
def session_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Variables that keep this user's files unread and unwritten, and let child processes find the packages."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HYPERASSESS_CACHE", str(_shared_cache(tmp_path_factory)))
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        patch.setenv("PYTHONPATH", str(REPOSITORY))
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        patch.setenv("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        for name in (
            "MLFLOW_TRACKING_URI",
            "MLFLOW_RUN_ID",
            "MLFLOW_EXPERIMENT_NAME",
            "RAY_ADDRESS",
            "HYPERASSESS_LEDGER",
            "HYPERASSESS_PROFILE",
            "RAY_AUTH_MODE",
            "RAY_AUTH_TOKEN",
            "RAY_AUTH_TOKEN_PATH",
            "HYPERASSESS_STORAGE_PATH",
        ):
            patch.delenv(name, raising=False)
        yield


def _shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the cache of this session, which xdist's processes share, so that features are extracted once."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return tmp_path_factory.mktemp("cache")
    folder = tmp_path_factory.getbasetemp().parent / "cache"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def made_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tiny weights for every encoder whose weights no package ships."""
    from tests.made_weights import save_all  # here, since it imports timm and torchvision

    folder = tmp_path_factory.mktemp("weights")
    save_all(folder)
    return folder


@pytest.fixture(scope="session")
def mlflow_database(pytestconfig: pytest.Config) -> Path:
    """An SQLite database with MLflow's tables and nothing else: copy it, do not open it."""
    from tests.mlflow_database import prepared_database  # here, since it imports MLflow

    return prepared_database(pytestconfig)


@pytest.fixture
def weights(made_weights: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of `made_weights`, where the encoders look for weights."""
    monkeypatch.setenv("HYPERASSESS_WEIGHTS", str(made_weights))
    return made_weights


@pytest.fixture(scope="module")
def module_folder(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Path]:
    """An empty folder for the tests of one module, deleted after the last one unless a test failed."""
    folder = tmp_path_factory.mktemp(request.module.__name__.rpartition(".")[2])
    failed = request.session.testsfailed
    yield folder
    if request.session.testsfailed == failed:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module", autouse=True)
def reset_tracking_uri() -> None:
    """A module's fixtures must not write to the MLflow that a test of another module chose."""
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    if mlflow := sys.modules.get("mlflow"):
        mlflow.set_tracking_uri(None)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, so that no test depends on pytest's, or on the MLflow that another test chose."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)  # mlflow.set_tracking_uri sets it for child processes too
    folder = tmp_path_factory.mktemp("cwd")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(autouse=True)
def no_ray(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A unit or integration test starts no Ray, also not where a command refuses its input while Ray would start."""
    if request.node.get_closest_marker("e2e"):
        return

    def refuse(*arguments: object) -> None:
        raise AssertionError("this test starts Ray: mark it e2e")

    monkeypatch.setattr("orchestrator.execution.tune_runner.RayTune.session", refuse)


@pytest.fixture
def simulated_tune(monkeypatch: pytest.MonkeyPatch) -> "SimulatedRayTune":
    """Executor that runs a sweep's jobs in this process, without Ray and MLflow; see `tests/simulated_tune.py`."""
    from orchestrator.execution import tune_runner
    from orchestrator.sweeps import background_services
    from tests.simulated_tune import (
        OfflineUploader,
        PageInTest,
        SimulatedRayTune,
    )  # imported here, since it imports Ray Tune

    executor = SimulatedRayTune()
    monkeypatch.setattr(tune_runner, "RayTune", lambda: executor)
    monkeypatch.setattr(background_services, "UploaderProcess", OfflineUploader)
    monkeypatch.setattr(background_services, "PageProcess", PageInTest)
    return executor


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A real PostgreSQL server; if missing, tests fail in CI and are skipped elsewhere."""
    with served() as server:
        yield server


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[s3.S3Server]:
    """A real S3-compatible server; if missing, tests fail in CI and are skipped elsewhere."""
    if not s3.available():
        absent = "moto is not installed (pip install 'moto[server]')"
        pytest.fail(absent) if os.environ.get("CI") == "true" else pytest.skip(absent)
    server = s3.S3Server(tmp_path_factory.mktemp("s3") / "log.txt")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in server.environment.items():
            patch.setenv(name, value)
        yield server
    server.close()
