"""A ledger in a database: how it is named, reached, lost and found again."""

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from orchestrator.core.errors import InputError, LedgerUnavailable
from orchestrator.core.ledger_url import ledger_url
from orchestrator.core.spec import SweepSpec
from orchestrator.search.ledger import Ledger
from orchestrator.search.open_storage import delete_studies, find_studies, open_storage, study_name
from orchestrator.search.outcome import Outcome
from orchestrator.search.rdb_storage import check_database, open_database
from tests.postgres import PostgresServer
from tests.search.small_ledger import SPACE, train


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_a_postgres_url_gets_its_driver(scheme):
    assert ledger_url(f"{scheme}://me@host:5433/db?sslmode=require") == (
        "postgresql+psycopg://me@host:5433/db?sslmode=require"
    )


def test_a_sqlite_file_gets_its_absolute_path(elsewhere):
    assert ledger_url("sqlite:///ledger.db") == f"sqlite:///{elsewhere}/ledger.db"
    assert ledger_url(ledger_url("sqlite:////data/a b.db")) == "sqlite:////data/a b.db"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:hunter2@host/db",
        "postgresql://host/db?user=me&password=hunter2",
        "postgresql://me:hunter2@host:port/db",
    ],
)
def test_a_password_is_refused_and_not_repeated(url):
    with pytest.raises(InputError) as refused:
        ledger_url(url)
    assert "hunter2" not in str(refused.value)
    assert "PGPASSWORD" in str(refused.value) or "not a database URL" in str(refused.value)


@pytest.mark.parametrize(
    "url, why",
    [
        ("ledger.db", "not a database URL"),
        ("mysql://host/db", "mysql is not supported"),
        ("sqlite://", "is a file"),
        ("sqlite:///:memory:", "is a file"),
    ],
)
def test_other_databases_are_refused(url, why):
    with pytest.raises(InputError, match=why):
        ledger_url(url)


def test_an_unreachable_server_is_reported_within_seconds():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"postgresql://127.0.0.1:{free.getsockname()[1]}/db"
    began = time.monotonic()
    for reach in (check_database, open_database):
        with pytest.raises(InputError, match="cannot be reached.*refused") as refused:
            reach(nobody)
        assert "\n" not in str(refused.value)
    assert time.monotonic() - began < 20


def test_a_server_that_does_not_answer_is_reported_after_the_timeout(monkeypatch):
    monkeypatch.setattr("orchestrator.search.rdb_storage.CONNECT_SECONDS", 2)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        began = time.monotonic()
        with pytest.raises(InputError, match="cannot be reached"):
            check_database(f"postgresql://127.0.0.1:{silent.getsockname()[1]}/db")
        assert time.monotonic() - began < 20


def test_a_check_creates_no_file(tmp_path):
    check_database(f"sqlite:///{tmp_path}/new.db")
    assert not (tmp_path / "new.db").exists()
    with pytest.raises(InputError, match="there is no folder"):
        check_database(f"sqlite:///{tmp_path}/nowhere/new.db")
    (tmp_path / "text.db").write_text("not a database, but long enough to be taken for one " * 50, encoding="utf-8")
    for reach in (check_database, open_database):
        with pytest.raises(InputError, match="not a database"):
            reach(f"sqlite:///{tmp_path}/text.db")


def test_a_path_may_have_braces(tmp_path):
    Ledger(open_database(f"sqlite:///{tmp_path}/{{x}}.db"), "search", SPACE).ask()
    assert (tmp_path / "{x}.db").is_file()


def test_sweeps_that_share_a_database_are_apart_and_one_can_be_deleted(tmp_path):
    url = f"sqlite:///{tmp_path}/ledger.db"
    storage = open_database(url)
    specs = [SweepSpec(name=name, id=f"{name}0001", ledger=url) for name in ("aaaa", "bbbb")]
    for trials, spec in enumerate(specs, 1):
        for study in ("search", "control"):
            ledger = Ledger(storage, study_name(storage, spec, study), SPACE)
            for _ in range(trials):
                train(ledger, 0.5)
            assert len(ledger) == trials
    assert find_studies(storage, specs[0]) == {study: f"aaaa-aaaa0001/{study}" for study in ("search", "control")}
    assert (delete_studies(specs[0]), delete_studies(specs[0])) == (2, 0)
    names = [study.study_name for study in open_database(url).get_all_studies()]
    assert names == ["bbbb-bbbb0001/search", "bbbb-bbbb0001/control"]
    assert len(Ledger(open_database(url), "bbbb-bbbb0001/search", SPACE)) == 2


def test_a_sweep_of_an_earlier_version_keeps_the_names_of_its_studies(tmp_path):
    url = f"sqlite:///{tmp_path}/ledger.db"
    shared, spec = open_database(url), SweepSpec(name="mine", id="aaaa", ledger=url)
    Ledger(shared, "aaaa/search", SPACE).ask()
    names = (study_name(shared, spec, "search"), study_name(shared, spec, "confirm"))
    assert names == ("aaaa/search", "mine-aaaa/confirm")
    assert find_studies(shared, spec) == {"search": "aaaa/search"} and delete_studies(spec) == 1
    journal, own = open_storage(None, tmp_path / "ledger.journal"), SweepSpec(name="mine", id="aaaa")
    Ledger(journal, "search", SPACE).ask()
    Ledger(journal, study_name(journal, own, "control"), SPACE).ask()
    assert study_name(journal, own, "search") == "search"
    assert find_studies(journal, own) == {"search": "search", "control": "mine/control"}


class TestPostgres:
    def test_an_unknown_database_or_role_is_refused(self, postgres: PostgresServer):
        with pytest.raises(InputError, match='cannot be reached.*database "nowhere" does not exist'):
            check_database(postgres.url("nowhere"))
        with pytest.raises(InputError, match='cannot be reached.*role "nobody" does not exist'):
            check_database(postgres.url("postgres", "nobody"))

    def test_the_password_comes_from_the_environment_or_pgpass(self, postgres, monkeypatch, tmp_path):
        url = postgres.url("guarded", "guarded")
        with pytest.raises(InputError, match="no password supplied"):
            check_database(url)
        with monkeypatch.context() as patch:
            patch.setenv("PGPASSWORD", "wrong")
            with pytest.raises(InputError, match="password authentication failed"):
                check_database(url)
            patch.setenv("PGPASSWORD", "secret")
            check_database(url)
        file = tmp_path / "pgpass"
        file.write_text(f"127.0.0.1:{postgres.port}:guarded:guarded:secret\n", encoding="utf-8")
        file.chmod(0o600)
        monkeypatch.setenv("PGPASSFILE", str(file))
        Ledger(open_database(url), "search", SPACE).ask()

    def test_many_sweeps_start_in_an_empty_database(self, postgres):
        url = postgres.create_database()

        def begin(sweep: int) -> int:
            return Ledger(open_database(url), f"{sweep}/search", SPACE).ask().number

        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(begin, range(4))) == [0] * 4

    def test_a_sweep_waits_for_a_restart_of_the_server(self, postgres):
        url, said = postgres.create_database(), []
        ledger = Ledger(open_database(url, said.append), "search", SPACE)
        number = ledger.ask().number
        postgres.stop()
        restart = threading.Timer(1.0, postgres.start)
        restart.start()
        ledger.report(number, 1, 0.5)
        restart.join()
        assert len(said) == 1 and "does not answer" in said[0] and url.split("://")[1].split("/")[1] in said[0]
        # A restart between two calls is not even noticed.
        postgres.stop()
        postgres.start()
        ledger.finish(number, Outcome.COMPLETE)
        assert len(said) == 1 and ledger.trial(number).objective == 0.5

    def test_a_server_that_stays_unavailable_stops_the_sweep_and_nothing_is_lost(self, postgres):
        url, stopping = postgres.create_database(), threading.Event()
        ledger = Ledger(open_database(url, stopping=stopping, retry_seconds=1), "search", SPACE)
        train(ledger, 0.5)
        number = ledger.ask().number
        postgres.stop()
        try:
            with pytest.raises(LedgerUnavailable, match="is not available"):
                ledger.report(number, 1, 0.5)
            assert stopping.is_set()
        finally:
            postgres.start()
        seen = Ledger(open_database(url), "search", SPACE)
        assert seen.terminal() == 1 and [trial.number for trial in seen.resume_unfinished()] == [number]


def test_a_sqlite_ledger_is_at_the_path_of_its_url(tmp_path: Path):
    check_database(f"sqlite:///{tmp_path}/ledger.db")
    train(Ledger(open_database(f"sqlite:///{tmp_path}/ledger.db"), "search", SPACE), 0.5)
    check_database(f"sqlite:///{tmp_path}/ledger.db")
    there = {path.name for path in tmp_path.iterdir()}
    assert "ledger.db" in there and there <= {"ledger.db", "ledger.db-wal", "ledger.db-shm"}
