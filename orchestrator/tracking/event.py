"""An event for MLflow and its line in the spool: JSON with a schema version and a checksum."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import Any, Literal

from orchestrator.core.checksummed_jsonl import DamagedLine, LineFormat, MissingChecksum
from orchestrator.core.errors import InputError

SCHEMA_VERSION = 2
"""Version of the format of a spool's lines."""

Kind = Literal["start", "metrics", "tags", "params", "text", "dataset", "artifacts", "model", "experiment", "end"]

_LINES = LineFormat("crc", covers_brace=False)
_FIELDS = {"kind", "run", "data", "time"}


@dataclass(frozen=True)
class Event:
    """Event for MLflow.

    Attributes:
        kind: kind of the event.
        run: key of the run, unique in the sweep.
        data: content, which depends on `kind`.
        time: milliseconds since 1970.
    """

    kind: Kind
    run: str
    data: dict[str, Any] = field(default_factory=dict)
    time: int = field(default_factory=lambda: int(time.time() * 1000))


class NewerSpool(InputError):
    """The spool was written by a later version of this program."""


def encode(event: Event) -> bytes:
    """Return an event as a line with its line feed."""
    return _LINES.encode(
        {"v": SCHEMA_VERSION, "kind": event.kind, "run": event.run, "data": event.data, "time": event.time}
    )


def decode(line: bytes) -> Event:
    """Return the event of a line.

    Raises:
        DamagedLine: the checksum differs, or the line is not an event.
        NewerSpool: the line has a schema version that this program does not know.
    """
    try:
        content = _LINES.decode(line)
    except MissingChecksum:
        _refuse_newer(_version(line))
        raise
    _refuse_newer(content.pop("v", None))
    if set(content) != _FIELDS:
        raise DamagedLine("it is incomplete")
    return Event(**content)


def _version(line: bytes) -> Any:
    """Return the schema version of a line in another format, None if it has none."""
    try:
        content = json.loads(line)
    except ValueError:
        return None
    return content.get("v") if isinstance(content, dict) else None


def _refuse_newer(version: Any) -> None:
    if version is not None and (not isinstance(version, int) or version > SCHEMA_VERSION):
        raise NewerSpool(
            f"The spool has schema version {version}, this program reads up to {SCHEMA_VERSION}: "
            f"the sweep was run by a later version; resume it with that version."
        )
