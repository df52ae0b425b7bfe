"""`python -m tests.multihost.serve_postgres ADDRESS`: PostgreSQL with two databases until a signal."""

import os
import signal
import sys

from tests.postgres import PostgresServer, find_binaries

ROLE = "hyperassess"


def main(address: str) -> None:
    """Serve until a signal; the role's password comes from PGPASSWORD."""
    binaries = find_binaries()
    assert binaries is not None
    server = PostgresServer(binaries, reached_at=address, port=5432)
    server.execute(
        f"CREATE ROLE {ROLE} LOGIN PASSWORD '{os.environ['PGPASSWORD']}'",
        *(f"CREATE DATABASE {name} OWNER {ROLE}" for name in ("ledger", "mlflow")),
    )
    print("ready", flush=True)
    signal.pause()


if __name__ == "__main__":
    main(sys.argv[1])
