"""One thing to tell MLflow, and the line of the spool that carries it: JSON, a schema version, a checksum."""

from __future__ import annotations

import json
import re
import time
import zlib
from dataclasses import dataclass, field
from typing import Any, Literal

from orchestrator.core.errors import InputError

SCHEMA_VERSION = 2
"""1 had neither version nor checksum; its lines are still read."""

Kind = Literal["start", "metrics", "tags", "params", "text", "dataset", "artifacts", "model", "end"]

_SEAL = re.compile(rb', "crc": "([0-9a-f]{8})"\}\n?\Z')
_FIELDS = {"kind", "run", "data", "time"}


@dataclass(frozen=True)
class Event:
    """One thing to tell.

    Attributes:
        kind: what it is.
        run: key of the run it belongs to, unique in the sweep.
        data: what `kind` needs.
        time: milliseconds since 1970 when it happened.
    """

    kind: Kind
    run: str
    data: dict[str, Any] = field(default_factory=dict)
    time: int = field(default_factory=lambda: int(time.time() * 1000))


class Damaged(Exception):
    """A line that is not what was written."""


class NewerSpool(InputError):
    """The spool was written by a later version of this program."""


def encode(event: Event) -> bytes:
    """An event as a line, its line feed included."""
    content = {"v": SCHEMA_VERSION, "kind": event.kind, "run": event.run, "data": event.data, "time": event.time}
    body = json.dumps(content)[:-1].encode()
    return body + b', "crc": "%08x"}\n' % zlib.crc32(body)


def decode(line: bytes) -> Event:
    """The event of a line.

    Raises:
        Damaged: the checksum differs, or it never was such a line.
        NewerSpool: it has a schema version that this program does not know.
    """
    seal = _SEAL.search(line)
    if seal and zlib.crc32(line[: seal.start()]) != int(seal[1], 16):
        raise Damaged("its checksum differs")
    try:
        content = json.loads(line)
    except ValueError:
        raise Damaged("it is not JSON") from None
    if not isinstance(content, dict):
        raise Damaged("it is no event")
    version = content.pop("v", 1)
    if not isinstance(version, int) or version > SCHEMA_VERSION:
        raise NewerSpool(
            f"The spool has schema version {version}, this program reads up to {SCHEMA_VERSION}: "
            f"the sweep was run by a later version; go on with that one."
        )
    content.pop("crc", None)
    if set(content) != _FIELDS or (version >= 2 and not seal):
        raise Damaged("it is incomplete")
    return Event(**content)
