"""An S3-compatible server on loopback, of this test session's own."""

import os
import socket
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

BUCKET = "hyperassess"


class S3Server:
    """A server that runs until `close`; `environment` has the variables of its clients."""

    def __init__(self, log: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.environment = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        with log.open("wb") as file:
            environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
            self.process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, env=environment)
        for _ in range(300):
            if self.process.poll() is not None:
                raise RuntimeError(log.read_text(encoding="utf-8"))
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        self._make_bucket()

    def _make_bucket(self) -> None:
        from pyarrow import fs

        client = fs.S3FileSystem(
            endpoint_override=self.environment["AWS_ENDPOINT_URL"],
            access_key="test",
            secret_key="test",
            region="us-east-1",
            allow_bucket_creation=True,
        )
        client.create_dir(BUCKET)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


def available() -> bool:
    return find_spec("moto") is not None
