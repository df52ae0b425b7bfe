"""A fresh database is made by one at a time, and wholly or not at all."""

import multiprocessing
import shutil
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import mlflow
import pytest

from orchestrator.tracking import mlflow_sink, sqlite_init
from orchestrator.tracking.destination import TrackingDestination, default_tracking_uri
from orchestrator.tracking.event import Event
from orchestrator.tracking.sqlite_init import locked_sqlite

pytestmark = pytest.mark.e2e


@pytest.fixture
def most_inside(monkeypatch):
    """Return the largest number of processes that created tables at the same time."""
    inside, most, lock = [0], [0], threading.Lock()

    def make_tables(*arguments: str) -> None:
        with lock:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        time.sleep(0.05)
        with lock:
            inside[0] -= 1

    monkeypatch.setattr(mlflow_sink, "MlflowSink", make_tables)
    monkeypatch.setattr(sqlite_init, "_create", lambda path: None)
    return most


def open_at_once(*uris: str) -> None:
    with ThreadPoolExecutor(len(uris)) as pool:
        list(pool.map(lambda uri: TrackingDestination(uri, "experiment", "sweep", "source").open(), uris))


def test_concurrent_sweeps_open_a_new_database_one_at_a_time(most_inside, tmp_path: Path):
    (tmp_path / "linked").symlink_to(tmp_path)
    open_at_once(*[f"sqlite:///{tmp_path}/mlflow.db"] * 3, f"sqlite:///{tmp_path}/linked/mlflow.db")
    assert most_inside == [1]


def test_servers_and_different_databases_are_not_locked(most_inside, tmp_path: Path):
    open_at_once(f"sqlite:///{tmp_path}/a.db", f"sqlite:///{tmp_path}/b.db", "http://127.0.0.1:5000", "mlruns")
    assert most_inside[0] > 1


def test_a_database_is_opened_without_its_lock_after_the_timeout(tmp_path: Path):
    uri, entered = f"sqlite:///{tmp_path}/mlflow.db", []
    (tmp_path / "mlflow.db").touch()
    with locked_sqlite(uri), locked_sqlite(uri, timeout=0.05):
        entered.append("both")
    assert entered == ["both"]
    with locked_sqlite(uri, timeout=0):
        entered.append("again")
    assert entered == ["both", "again"]


def enter(uri: str) -> None:
    with locked_sqlite(uri):
        pass


def tables(database: Path) -> int:
    connection = sqlite3.connect(database)
    try:
        return int(connection.execute("SELECT count(*) FROM sqlite_master WHERE type = 'table'").fetchone()[0])
    except sqlite3.OperationalError:  # locked, or not there yet
        return 0
    finally:
        connection.close()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch):
    """An empty cache of MLflow's databases."""
    monkeypatch.setenv("HYPERASSESS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "mlflow"


def test_a_kill_during_the_migrations_leaves_no_partial_database(tmp_path: Path, cache: Path):
    database, draft = tmp_path / "new" / "mlflow.db", cache / f"empty-{mlflow.__version__}.new.draft"
    database.parent.mkdir()
    maker = multiprocessing.get_context("spawn").Process(target=enter, args=(f"sqlite:///{database}",))
    maker.start()
    while not (draft.exists() and tables(draft) > 10):
        assert maker.is_alive()
        time.sleep(0.01)
    maker.kill()
    maker.join()
    assert draft.exists() and not database.exists()
    enter(f"sqlite:///{database}")
    assert tables(database) > 40
    assert sorted(path.name for path in database.parent.iterdir()) == [".mlflow.db.lock", "mlflow.db"]
    assert sorted(path.name for path in cache.iterdir()) == [".lock", f"empty-{mlflow.__version__}.db"]


def test_a_second_new_database_is_a_copy_without_migrations(tmp_path: Path, cache: Path, monkeypatch):
    enter(f"sqlite:///{tmp_path}/first.db")
    monkeypatch.setattr(sqlite_init, "_create_tables", lambda uri: pytest.fail("migrated again"))
    enter(f"sqlite:///{tmp_path}/second.db")
    assert (tmp_path / "first.db").read_bytes() == (tmp_path / "second.db").read_bytes()


def test_without_a_cache_the_tables_are_created_in_place(tmp_path: Path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("HYPERASSESS_CACHE", str(tmp_path / "file"))
    enter(f"sqlite:///{tmp_path}/mlflow.db")
    assert tables(tmp_path / "mlflow.db") > 40
    assert sorted(path.name for path in tmp_path.iterdir()) == [".mlflow.db.lock", "file", "mlflow.db"]


def test_an_existing_database_is_not_changed(tmp_path: Path):
    database = tmp_path / "mlflow.db"
    sqlite3.connect(database).execute("CREATE TABLE mine (x)").connection.close()
    before = database.read_bytes()
    enter(f"sqlite:///{database}")
    assert database.read_bytes() == before


@pytest.mark.parametrize("name", ["feature%2Fscore", "a?b"])
def test_database_and_files_are_in_the_folder_whatever_it_is_called(database, tmp_path: Path, monkeypatch, name: str):
    folder = tmp_path / name
    folder.mkdir()
    shutil.copy(database, folder / "mlflow.db")
    monkeypatch.chdir(folder)
    sink = TrackingDestination(default_tracking_uri(), "experiment", "sweep", "source").open()
    sink.send(
        [Event("start", "trial-0000", {"name": "trial 0"}), Event("text", "trial-0000", {"text": "a", "into": "b"})]
    )
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert [path.read_text(encoding="utf-8") for path in folder.rglob("b")] == ["a"]
