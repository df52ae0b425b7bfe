"""Objects under a URL: a folder that all nodes see, or a bucket of an S3 store."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

from tenacity import Retrying, retry_if_exception_type, stop_before_delay, wait_fixed

from orchestrator.core.atomic_files import write_file
from orchestrator.core.errors import InputError

RETRY_SECONDS = 120.0
"""Seconds for which an unavailable store is retried."""

_S3 = "s3://"
_T = TypeVar("_T")


class ObjectStoreUnavailable(ConnectionError):
    """The store did not answer, or refused."""


@dataclass(frozen=True)
class ObjectStore:
    """Folder or bucket of objects, pickled as its URL and opened by each process on first use.

    An object appears whole or not at all. Each node reads the endpoint, region and credentials of an S3 store from its
    own environment: `AWS_ENDPOINT_URL`, `AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`.

    Attributes:
        url: an absolute folder, or `s3://bucket/prefix`.
    """

    url: str

    def under(self, name: str) -> ObjectStore:
        """Return the store of the objects whose names begin with `name/`."""
        return ObjectStore(f"{self.url.rstrip('/')}/{name}")

    def read(self, name: str) -> bytes | None:
        """Return an object's content, or None if it is missing.

        Raises:
            ObjectStoreUnavailable: the store does not answer.
        """
        filesystem, root = self._opened
        try:
            with filesystem.open_input_file(f"{root}/{name}") as file:
                return bytes(file.read())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._away(error) from error

    def write(self, name: str, content: bytes) -> None:
        """Write an object, replacing the one of the same name.

        Raises:
            ObjectStoreUnavailable: the store does not answer.
        """
        filesystem, root = self._opened
        path = f"{root}/{name}"
        try:
            if self.url.startswith(_S3):
                with filesystem.open_output_stream(path) as file:
                    file.write(content)
                return
            write_file(Path(path), content, concurrent=True)
        except OSError as error:
            raise self._away(error) from error

    def remove(self, names: Iterable[str]) -> None:
        """Remove objects; ignore missing objects and a store that does not answer, since they only take space."""
        filesystem, root = self._opened
        for name in names:
            try:
                filesystem.delete_file(f"{root}/{name}")
            except OSError:
                continue

    def remove_all(self) -> None:
        """Remove every object; raise ObjectStoreUnavailable if the store does not answer."""
        filesystem, root = self._opened
        try:
            filesystem.delete_dir(root)
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._away(error) from error

    def check(self) -> None:
        """Write, read and remove an object; raise ObjectStoreUnavailable if that fails."""
        name, content = f".check-{uuid4().hex[:8]}", b"HyperAssess"
        self.write(name, content)
        if self.read(name) != content:
            raise ObjectStoreUnavailable(f"{self.url} does not return what was written.")
        self.remove([name])

    @cached_property
    def _opened(self) -> tuple[Any, str]:
        from pyarrow import fs

        if not self.url.startswith(_S3):
            return fs.LocalFileSystem(), self.url
        from pyarrow.fs import AwsStandardS3RetryStrategy

        environment = os.environ
        filesystem = fs.S3FileSystem(
            endpoint_override=environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL"),
            region=environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or "us-east-1",
            connect_timeout=5,
            request_timeout=30,
            retry_strategy=AwsStandardS3RetryStrategy(max_attempts=3),
        )
        return filesystem, self.url.removeprefix(_S3).rstrip("/")

    def _away(self, error: OSError) -> ObjectStoreUnavailable:
        return ObjectStoreUnavailable(f"The storage {self.url} does not answer: {str(error).splitlines()[0]}")

    def __getstate__(self) -> dict[str, Any]:
        return {"url": self.url}


def storage_url(given: str) -> str:
    """Return the value of `--storage-path` as an ObjectStore's URL: a folder is made absolute.

    Raises:
        InputError: neither a folder nor `s3://bucket/…`, or credentials inside.
    """
    scheme, colon, rest = given.partition("://")
    if not colon:
        return str(Path(given).expanduser().absolute())
    bucket = rest.split("/")[0]
    if scheme != "s3" or not bucket or "@" in bucket or "?" in rest:
        raise InputError(
            "--storage-path takes a folder that all nodes see or s3://bucket/prefix; an S3 store's endpoint and "
            "credentials come from AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        )
    return given.rstrip("/")


def retry(call: Callable[[], _T], seconds: float = RETRY_SECONDS, pause: float = 2.0) -> _T:
    """Retry a call while the store is unavailable; raise ObjectStoreUnavailable after `seconds`."""
    retrying = Retrying(
        retry=retry_if_exception_type(ObjectStoreUnavailable),
        wait=wait_fixed(pause),
        stop=stop_before_delay(seconds),
        reraise=True,
    )
    return retrying(call)
