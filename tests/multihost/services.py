"""Services of a team's cluster, each on a host: PostgreSQL, an S3-compatible store, an MLflow server."""

import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.multihost.host import Host
from tests.multihost.serve_postgres import ROLE

BUCKETS = ("sweeps", "mlflow")
_SERVE_MLFLOW = Path(__file__).parents[2] / "docker" / "scripts" / "mlflow.sh"


class Database:
    """PostgreSQL on a host, with a ledger's database and MLflow's; its role has a password that no argument shows."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.environment = {"PGPASSWORD": secrets.token_urlsafe(12)}
        self._process = host.start(
            "postgres", [sys.executable, "-m", "tests.multihost.serve_postgres", host.address], self.environment
        )

    def url(self, database: str, driver: str = "postgresql") -> str:
        return f"{driver}://{ROLE}@{self.host.address}:5432/{database}"

    def wait(self) -> None:
        log = self.host.logs / "postgres.txt"
        _wait("PostgreSQL", self._process, lambda: "ready" in log.read_text(encoding="utf-8"), log.read_text)


class Store:
    """An S3-compatible store on a host; what it holds is in that host's memory."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.environment = {
            "AWS_ACCESS_KEY_ID": "hosts",
            "AWS_SECRET_ACCESS_KEY": secrets.token_urlsafe(12),
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL": self.url,
            "MLFLOW_S3_ENDPOINT_URL": self.url,
        }
        command = [sys.executable, "-m", "moto.server", "--host", host.address, "--port", "9000"]
        self._process = host.start("store", command)

    @property
    def url(self) -> str:
        return f"http://{self.host.address}:9000"

    @cached_property
    def _client(self) -> Any:
        import boto3

        keys = self.environment
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name=keys["AWS_DEFAULT_REGION"],
            aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
        )

    def wait(self) -> None:
        log = self.host.logs / "store.txt"
        _wait("the store", self._process, lambda: _listens(self.host.address, 9000), log.read_text)
        for bucket in BUCKETS:
            self._client.create_bucket(Bucket=bucket)

    def read(self, bucket: str, key: str) -> bytes | None:
        """Return an object, or None if it is missing."""
        client = self._client
        try:
            return bytes(client.get_object(Bucket=bucket, Key=key)["Body"].read())
        except client.exceptions.NoSuchKey:
            return None

    def keys(self, bucket: str) -> list[str]:
        """Return the keys of all objects in a bucket."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return sorted(entry["Key"] for page in pages for entry in page.get("Contents", []))


@dataclass
class Tracking:
    """An MLflow server on a host: its runs in PostgreSQL, its artifacts, which it serves itself, in the store.

    It is started as in a container, and lets in who has its password.
    """

    host: Host
    database: Database
    store: Store

    def __post_init__(self) -> None:
        password = secrets.token_urlsafe(12)
        self.environment = {"MLFLOW_TRACKING_USERNAME": "admin", "MLFLOW_TRACKING_PASSWORD": password}
        environment = {
            **self.database.environment,
            **self.store.environment,
            "MLFLOW_BACKEND_STORE_URI": self.database.url("mlflow", "postgresql+psycopg"),
            "MLFLOW_ARTIFACTS_DESTINATION": "s3://mlflow",
            "MLFLOW_AUTH_ADMIN_PASSWORD": password,
            "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_urlsafe(24),
            "MLFLOW_BIND": self.host.address,
            "PUBLISHED_AT": self.host.address,
            "MLFLOW_SERVER_ALLOWED_HOSTS": f"{self.host.name}:5000,{self.host.address}:5000",
            "MLFLOW_WORKERS": "1",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }
        self._process = self.host.start("mlflow", [_SERVE_MLFLOW], environment)

    @property
    def uri(self) -> str:
        return f"http://{self.host.name}:5000"

    @property
    def outside(self) -> str:
        """URL on the bridge, where host names are unknown."""
        return f"http://{self.host.address}:5000"

    def wait(self) -> None:
        log = self.host.logs / "mlflow.txt"
        _wait("the MLflow server", self._process, lambda: _healthy(self.outside), log.read_text)


def _healthy(uri: str) -> bool:
    import requests

    try:
        return requests.get(f"{uri}/health", timeout=2).ok
    except requests.RequestException:
        return False


def _listens(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=2).close()
    except OSError:
        return False
    return True


def _wait(what: str, process: subprocess.Popen[str], ready: Callable[[], bool], said: Callable[[], str]) -> None:
    until = time.monotonic() + 180
    while not ready():
        if process.poll() is not None or time.monotonic() > until:
            raise RuntimeError(f"{what} did not start:\n{said()[-3000:]}")
        time.sleep(0.1)
