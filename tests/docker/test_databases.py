"""The databases that the compose file's PostgreSQL makes, saved and brought back, on a real server."""

import hashlib
import os
import stat
from pathlib import Path

import psycopg
import pytest

from tests.docker.scripts import run
from tests.postgres import served


@pytest.fixture(scope="module")
def server():
    """A server of this module's own: the scripts make roles and databases of fixed names."""
    with served() as made:
        yield made


@pytest.fixture(scope="module")
def secrets(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "secrets"
    assert run("make-secrets.sh", folder).returncode == 0
    return folder


@pytest.fixture(scope="module")
def databases(server, secrets) -> dict[str, object]:
    """Settings with which the scripts reach the server, once the databases are made."""
    settings = {"PGHOST": "127.0.0.1", "PGPORT": server.port, "PGUSER": "postgres", "SECRETS": secrets}
    done = run("init-databases.sh", **settings)
    assert done.returncode == 0, done.stderr
    return settings


def rows(server, database: str) -> list[tuple[object, ...]]:
    with psycopg.connect(server.url(database, "ledger" if database == "ledger" else "mlflow")) as connection:
        return connection.execute("SELECT * FROM trials ORDER BY number").fetchall()


def test_role_owns_its_database_and_cannot_connect_to_the_other(databases, server, secrets):
    with psycopg.connect(server.url("postgres")) as connection:
        owners = dict(
            connection.execute("SELECT datname, pg_get_userbyid(datdba) FROM pg_database WHERE NOT datistemplate")
        )
        stored = dict(connection.execute("SELECT rolname, rolpassword FROM pg_authid WHERE rolcanlogin"))
    assert (owners["ledger"], owners["mlflow"]) == ("ledger", "mlflow")
    assert stored["ledger"].startswith("SCRAM-SHA-256$") and stored["ledger"] != stored["mlflow"]
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(server.url("mlflow", "ledger"))
    password = (secrets / "ledger_password").read_text(encoding="utf-8")
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:  # is it the password of the file?
        salt, _, keys = stored["ledger"].removeprefix("SCRAM-SHA-256$").partition("$")
        iterations, _, salt = salt.partition(":")
    assert keys.split(":")[0] == _stored_key(password, salt, int(iterations))


def test_backup_is_restored_unchanged(databases, server, tmp_path):
    sweeps, objects, backups = (tmp_path / name for name in ("sweeps", "objects", "backups"))
    (sweeps / "a" / "trials").mkdir(parents=True)
    (sweeps / "a" / "spec.yaml").write_text("name: a\n", encoding="utf-8")
    (objects / "mlflow").mkdir(parents=True)
    weights = objects / "mlflow" / "model.bin"
    weights.write_bytes(b"\x00weights")
    tagged = _tag(weights)
    for database in ("ledger", "mlflow"):
        with psycopg.connect(server.url(database, database)) as connection:
            connection.execute("CREATE TABLE trials (number int PRIMARY KEY, value float8)")
            connection.execute("INSERT INTO trials VALUES (0, 0.1), (1, 'NaN'), (2, 0.30000000000000004)")
    before = {database: repr(rows(server, database)) for database in ("ledger", "mlflow")}
    settings = {**databases, "SWEEPS": sweeps, "OBJECTS": objects, "BACKUPS": backups}

    saved = run("backup.sh", **settings)
    assert saved.returncode == 0, saved.stderr
    (folder,) = backups.iterdir()
    assert saved.stdout == f"Saved as {folder.name}.\n"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700

    refused = run("restore.sh", folder.name, **settings)
    assert refused.returncode == 2 and "ledger is not empty" in refused.stderr
    with psycopg.connect(server.url("ledger", "ledger")) as connection:
        connection.execute("DELETE FROM trials WHERE number = 1")
        connection.execute("CREATE TABLE of_a_later_version ()")
    weights.write_bytes(b"other")
    (sweeps / "b").mkdir()

    restored = run("restore.sh", folder.name, "--replace", **settings)
    assert restored.returncode == 0, restored.stderr
    assert {database: repr(rows(server, database)) for database in before} == before
    assert weights.read_bytes() == b"\x00weights" and not (sweeps / "b").exists()
    assert (sweeps / "a" / "spec.yaml").read_text(encoding="utf-8") == "name: a\n" and (
        sweeps / "a" / "trials"
    ).is_dir()
    assert not tagged or os.getxattr(weights, "user.etag") == b"e1"
    with psycopg.connect(server.url("ledger", "ledger")) as connection:  # its owner may still change it
        assert connection.execute("SELECT to_regclass('of_a_later_version')").fetchone() == (None,)
        connection.execute("CREATE TABLE more ()")

    (folder / "ledger.dump").write_bytes(b"damaged")
    damaged = run("restore.sh", folder.name, "--replace", **settings)
    assert damaged.returncode == 2 and "is damaged" in damaged.stderr
    assert {database: repr(rows(server, database)) for database in before} == before


def test_failed_backup_leaves_no_file(databases, tmp_path):
    done = run("backup.sh", **{**databases, "PGPORT": 1}, BACKUPS=tmp_path)
    assert done.returncode and not list(tmp_path.iterdir())


def _tag(file: Path) -> bool:
    """Mark a file as the store does; return False if the file system cannot."""
    try:
        os.setxattr(file, "user.etag", b"e1")
    except OSError:
        return False
    return True


def _stored_key(password: str, salt: str, iterations: int) -> str:
    """Return what PostgreSQL stores of a password (RFC 5802)."""
    import base64
    import hmac

    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(salt), iterations)
    client = hmac.digest(salted, b"Client Key", "sha256")
    return base64.b64encode(hashlib.sha256(client).digest()).decode()
