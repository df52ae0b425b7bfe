"""Paths of every kind to URLs of SQLite files, and back."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from orchestrator.core.ledger_url import ledger_url
from orchestrator.core.sqlite_url import escaped_folder, sqlite_file, sqlite_url

NAMES = [
    "plain",
    "a b",
    "feature%2Fscore",
    "50%",
    "a?b",
    "a#b",
    "umläut",
    "a&b=c",
    "q'q",
    "a;b",
    "a:b@c",
    "a+b",
    "日本",
]


@pytest.mark.parametrize("name", NAMES)
def test_the_database_is_made_in_the_folder_whatever_it_is_called(tmp_path: Path, name: str):
    file = tmp_path / name / "mlflow.db"
    file.parent.mkdir()
    url = sqlite_url(file)
    with create_engine(url).begin() as connection:
        connection.execute(text("CREATE TABLE made (id INTEGER)"))
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("made",)]
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert sqlite_file(url) == file
    assert sqlite_file(ledger_url(url)) == file


def test_an_address_without_special_characters_stays_as_it_was(tmp_path: Path):
    assert sqlite_url(Path("/data/mit Leerzeichen/ä#/mlflow.db")) == "sqlite:////data/mit Leerzeichen/ä#/mlflow.db"
    assert escaped_folder("sqlite:////data/ä/mlflow.db") is None
    assert escaped_folder(sqlite_url(Path("/a?b/mlflow.db"))) == Path("/a%3Fb")


@pytest.mark.parametrize("url", ["http://host:5000", "sqlite://", "sqlite:///:memory:", "mlruns", "localhost:5000", ""])
def test_other_addresses_have_no_file(url: str):
    assert sqlite_file(url) is None
