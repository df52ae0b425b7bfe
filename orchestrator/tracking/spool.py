"""The spool: everything MLflow is to be told, in order, on local disk first.

Writing is an append and a flush, so a sweep never waits for a server. A reader keeps its place in a file of its
own and moves it only after what it read has arrived; what is sent twice because of a kill in between is the same
to MLflow, since every point carries the time it was made.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any, Literal

Kind = Literal["start", "metrics", "tags", "params", "dataset", "artifacts", "model", "end"]


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


class Spool:
    """Events of one sweep in `<folder>/events.jsonl`, the reader's place in `<folder>/sent`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._events = folder / "events.jsonl"
        self._place = folder / "sent"
        self._file: IO[bytes] | None = None
        self._lock = threading.Lock()

    def append(self, event: Event) -> None:
        """Adds an event at the end. Many threads may do so."""
        line = json.dumps(asdict(event)).encode() + b"\n"
        with self._lock:
            if self._file is None:
                self._file = self._open()
            self._file.write(line)
            self._file.flush()

    def read(self, limit: int = 2000) -> tuple[list[Event], int]:
        """Up to `limit` events that were not sent yet, and the place behind them for `mark_sent`."""
        events, place = [], self.sent()
        for event, end in self._read_from(place):
            events.append(event)
            place = end
            if len(events) >= limit:
                break
        return events, place

    def mark_sent(self, place: int) -> None:
        """Notes that everything before `place` has arrived."""
        draft = self._place.with_suffix(".draft")
        draft.write_text(str(place))
        os.replace(draft, self._place)

    def sent(self) -> int:
        """The place, in bytes, up to which everything has arrived."""
        try:
            return int(self._place.read_text())
        except (FileNotFoundError, ValueError):
            return 0

    def left(self) -> int:
        """How many events have not arrived yet."""
        return sum(1 for _ in self._read_from(self.sent()))

    def _read_from(self, place: int) -> Iterator[tuple[Event, int]]:
        if not self._events.exists():
            return
        with self._events.open("rb") as file:
            file.seek(place)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                place += len(line)
                yield Event(**json.loads(line)), place

    def _open(self) -> IO[bytes]:
        self.folder.mkdir(parents=True, exist_ok=True)
        if self._events.exists():
            content = self._events.read_bytes()
            # A killed writer may have left half a line, onto which the next one would be glued.
            os.truncate(self._events, content.rfind(b"\n") + 1)
        return self._events.open("ab")
