"""Fixtures of all tests: environment of the session, folders, servers, simulated Tune."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import s3
from tests.postgres import PostgresServer, served

if TYPE_CHECKING:
    from tests.simulated_tune import SimulatedRayTune

REPOSITORY = Path(__file__).parents[1]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort long modules first."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


@pytest.fixture(scope="session", autouse=True)
def session_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Environment without this user's settings, in which child processes find the packages from any folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HYPERASSESS_CACHE", str(tmp_path_factory.mktemp("cache")))
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


@pytest.fixture(scope="session")
def made_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tiny weights for every encoder that no package ships any for."""
    from tests.made_weights import save_all  # here, since it imports timm and torchvision

    folder = tmp_path_factory.mktemp("weights")
    save_all(folder)
    return folder


@pytest.fixture
def weights(made_weights: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The made weights, in use."""
    monkeypatch.setenv("HYPERASSESS_WEIGHTS", str(made_weights))
    return made_weights


@pytest.fixture(scope="module")
def module_folder(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Path]:
    """An empty folder for the tests of one module, which is gone after the last unless one of them failed."""
    folder = tmp_path_factory.mktemp(request.module.__name__.rpartition(".")[2])
    failed = request.session.testsfailed
    yield folder
    if request.session.testsfailed == failed:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module", autouse=True)
def no_mlflow_of_another_module() -> None:
    """Environment without the MLflow server that a test of another module chose."""
    os.environ.pop("MLFLOW_TRACKING_URI", None)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test may depend on the folder that pytest was started in, nor on the MLflow that another one chose."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)  # mlflow.set_tracking_uri sets it for child processes too
    folder = tmp_path_factory.mktemp("cwd")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def simulated_tune(monkeypatch: pytest.MonkeyPatch) -> "SimulatedRayTune":
    """Executor that runs a sweep's jobs in this process, without Ray and MLflow; see `tests/simulated_tune.py`."""
    from orchestrator.sweeps import run, services
    from tests.simulated_tune import OfflineUploader, SimulatedRayTune  # imported here, since it imports Ray Tune

    executor = SimulatedRayTune()
    monkeypatch.setattr(run, "RayTune", lambda: executor)
    monkeypatch.setattr(services, "UploaderProcess", OfflineUploader)
    return executor


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A real PostgreSQL server, which CI must have and other machines may."""
    with served() as server:
        yield server


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[s3.S3Server]:
    """A real S3-compatible server, which CI must have and other machines may."""
    if not s3.available():
        absent = "moto is not installed (pip install 'moto[server]')"
        pytest.fail(absent) if os.environ.get("CI") == "true" else pytest.skip(absent)
    server = s3.S3Server(tmp_path_factory.mktemp("s3") / "log.txt")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in server.environment.items():
            patch.setenv(name, value)
        yield server
    server.close()
