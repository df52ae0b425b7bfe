"""A real PostgreSQL server of the tests' own: on a free port of this host, in a folder that goes with it."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

_RUN_AS = "postgres"
"""The server refuses to run as root; Debian's package makes this user."""


def find_binaries() -> Path | None:
    """Return the folder of `initdb` and `postgres` on the path, or of Debian's newest; None if missing."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name))
    return folders[-1] if folders else None


@contextmanager
def served() -> Iterator["PostgresServer"]:
    """Start a server that ends with the block; if missing, fail in CI and skip elsewhere."""
    binaries = find_binaries()
    if binaries is None:
        absent = "PostgreSQL is not installed (apt-get install postgresql)"
        pytest.fail(absent) if os.environ.get("CI") == "true" else pytest.skip(absent)
    server = PostgresServer(binaries)
    try:
        yield server
    finally:
        server.close()


class PostgresServer:
    """A server that can be stopped and restarted; any local user may connect, except to `guarded`.

    The role `guarded` has the password `secret` and needs it for the database of the same name.

    Args:
        binaries: folder of `initdb` and `postgres`.
        reached_at: another address of this host, where other hosts come in with a password.
        port: else a free one.
    """

    def __init__(self, binaries: Path, reached_at: str | None = None, port: int | None = None) -> None:
        self._binaries = binaries
        self._addresses = ",".join(["127.0.0.1", *([reached_at] if reached_at else [])])
        self._as: dict[str, object] = {"cwd": "/"}
        if os.geteuid() == 0:
            self._as |= {"user": _RUN_AS, "group": _RUN_AS, "extra_groups": []}
        # Not pytest's folder, which only the user who runs the tests may enter.
        self._root = Path(tempfile.mkdtemp(prefix="hyperassess-postgres-"))
        if os.geteuid() == 0:
            shutil.chown(self._root, _RUN_AS, _RUN_AS)
        self._data = self._root / "data"
        with socket.socket() as free:
            free.bind(("127.0.0.1", port or 0))
            self.port: int = free.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None
        initdb = [binaries / "initdb", "-D", self._data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"]
        subprocess.run(initdb, check=True, capture_output=True, **self._as)  # type: ignore[call-overload]
        access = self._data / "pg_hba.conf"
        access.write_text(
            "host guarded all 127.0.0.1/32 scram-sha-256\n" + access.read_text(encoding="utf-8"), encoding="utf-8"
        )
        if reached_at:
            access.write_text(
                access.read_text(encoding="utf-8") + "host all all samenet scram-sha-256\n", encoding="utf-8"
            )
        self.start()
        self.execute("CREATE ROLE guarded LOGIN PASSWORD 'secret'", "CREATE DATABASE guarded OWNER guarded")

    def url(self, database: str, user: str = "postgres") -> str:
        """Return the URL of a database, without a driver's name."""
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def create_database(self) -> str:
        """Create an empty database and return its URL."""
        name = f"t{uuid4().hex}"
        self.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def start(self) -> None:
        settings = [f"listen_addresses={self._addresses}", "unix_socket_directories=", "fsync=off"]
        command: list[object] = [self._binaries / "postgres", "-D", self._data, "-p", str(self.port)]
        command += [part for setting in settings for part in ("-c", setting)]
        with (self._root / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, **self._as)  # type: ignore[call-overload]
        deadline = time.monotonic() + 30
        while True:
            try:
                psycopg.connect(self.url("postgres"), connect_timeout=5).close()
                return
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError((self._root / "log").read_text(encoding="utf-8")) from None
                time.sleep(0.05)

    def stop(self) -> None:
        """Stop at once, as in a crash: every connection breaks."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(30)
            self._process = None

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self._root, ignore_errors=True)

    def execute(self, *statements: str) -> None:
        """Execute statements as the superuser, outside of any transaction."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)  # type: ignore[call-overload]
