"""The spool: everything MLflow is to be told, in order, on local disk first.

Writing is an append, so a sweep never waits for a server. A reader keeps its place in a file of its own and moves it
only after what it read has arrived; what is sent twice because of a kill in between is the same to MLflow, since
every point carries the time it was made. A line that was damaged is told by its checksum, said, and passed over;
`reconcile` tells again from the ledger what it told.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from io import FileIO
from pathlib import Path

from orchestrator.core.atomic_files import write_file
from orchestrator.core.checksummed_jsonl import DamagedLine, append_whole, line_start, truncate_torn_line
from orchestrator.tracking.event import Event, Kind, decode, encode
from orchestrator.tracking.staged_artifacts import release, stage, worth_uploading

__all__ = ["Event", "Kind", "Spool"]

logger = logging.getLogger(__name__)


class Spool:
    """Events of one sweep in `<folder>/events.jsonl`, the reader's place in `<folder>/sent`.

    Beside them `files/`, what is still to be uploaded, and `refused.jsonl`, what MLflow would not take.

    Attributes:
        warnings: what was found damaged, a sentence each.
        trouble: why events wait in memory, None where all are on disk.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.warnings: list[str] = []
        self.trouble: str | None = None
        self._events = folder / "events.jsonl"
        self._place = folder / "sent"
        self._refused = folder / "refused.jsonl"
        self._file: FileIO | None = None
        self._end = 0
        self._waiting: deque[bytes] = deque()
        self._warned: set[int] = set()
        self._lock = threading.Lock()

    # Writing

    def append(self, event: Event) -> None:
        """Adds an event at the end. Many threads may do so.

        On a full disk it waits in memory, in order, for the next append that succeeds: a sweep does not fail for
        what it wants to tell, and what is lost with the process the ledger tells again.
        """
        line = encode(event)
        with self._lock:
            self._waiting.append(line)
            try:
                if self._file is None:
                    self._file = self._open()
                while self._waiting:
                    self._write(self._file, self._waiting[0])
                    self._waiting.popleft()
                self.trouble = None
            except OSError as error:
                if self.trouble is None:
                    logger.warning("%s cannot be written (%s): what is to be told waits in memory", self._events, error)
                self.trouble = error.strerror or str(error)

    def _write(self, file: FileIO, line: bytes) -> None:
        if os.fstat(file.fileno()).st_size != self._end:
            file.truncate(self._end)
        append_whole(file, line, self._end)
        self._end += len(line)

    def _open(self) -> FileIO:
        self.folder.mkdir(parents=True, exist_ok=True)
        file = FileIO(self._events, "a+")
        try:
            torn = truncate_torn_line(file)  # half a line that a killed writer left
            self._end = os.fstat(file.fileno()).st_size
            if torn:
                self._warn(self._end, f"{self._events} ended in half a line of {torn} bytes, now cut")
            if self._end:
                file.seek(line_start(file, self._end - 1))
                with suppress(DamagedLine):
                    decode(file.readline())  # refuses a later version's file before anything is added to it
            if self.sent() > self._end:
                # What is appended from now on would otherwise be taken for sent.
                self.mark_sent(self._end)
        except BaseException:
            file.close()
            raise
        return file

    def stage(self, run: str, paths: Sequence[Path]) -> str:
        """Links files and folders into the spool, so that they are there when MLflow is, whoever deletes them.

        Returns:
            The folder they are in now, as an event's `kept` has it.

        Raises:
            OSError: they cannot be linked, nor copied.
        """
        return stage(self.folder, run, paths)

    # Reading

    def entries(self, place: int = 0) -> Iterator[tuple[Event, int]]:
        """Every undamaged event from a place in bytes on, each with the place behind it."""
        try:
            file = self._events.open("rb")
        except FileNotFoundError:
            return
        with file:
            # A place beyond the end, or inside a line, is one that a cut or a restored copy has left wrong.
            place = line_start(file, min(place, file.seek(0, os.SEEK_END)))
            file.seek(place)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                start, place = place, place + len(line)
                try:
                    event = decode(line)
                except DamagedLine as error:
                    self._warn(start, f"A line of {self._events} at byte {start} is damaged ({error}); passed over")
                    continue
                yield self._located(event), place

    def read(self, limit: int = 2000) -> tuple[list[Event], int]:
        """Up to `limit` events that were not sent yet, and the place behind them for `mark_sent`."""
        events, place = [], self.sent()
        for event, end in self.entries(place):
            events.append(event)
            place = end
            if len(events) >= limit:
                break
        return events, place

    def sent(self) -> int:
        """The place, in bytes, up to which everything has arrived."""
        try:
            return int(self._place.read_text())
        except (FileNotFoundError, ValueError):
            return 0

    def left(self) -> int:
        """How many events have not arrived yet."""
        return sum(1 for _ in self.entries(self.sent())) + len(self._waiting)

    # What became of them

    def mark_sent(self, place: int) -> None:
        """Notes that everything before `place` has arrived."""
        write_file(self._place, str(place))

    def release(self, events: Sequence[Event]) -> None:
        """Removes the kept files of events that have arrived."""
        for event in events:
            if "kept" in event.data:
                release(self.folder, event.data["kept"])

    def tell_again(self, trials: Path) -> None:
        """Nothing counts as arrived any more; files that were let go are kept again, from the runs' own folders.

        Args:
            trials: folder that holds a folder a run; what is no longer there is missing in what is told.
        """
        self.mark_sent(0)
        for event, _ in self.entries():
            name, folder = event.data.get("kept"), trials / event.run
            if name is None or (self.folder / name).is_dir() or not folder.is_dir():
                continue
            paths = [folder / Path(event.data["path"]).name] if event.kind == "model" else worth_uploading(folder)
            if paths and all(path.exists() for path in paths):
                stage(self.folder, event.run, paths, name)

    def set_aside(self, event: Event, reason: str) -> None:
        """Writes an event that MLflow will never take into `refused.jsonl`, with the reason."""
        with self._refused.open("a") as file:
            file.write(json.dumps({"reason": reason, "event": asdict(event)}) + "\n")

    def refused(self) -> int:
        """How many events MLflow would not take."""
        try:
            return self._refused.read_bytes().count(b"\n")
        except FileNotFoundError:
            return 0

    def _located(self, event: Event) -> Event:
        """Kept files are named within the spool: a sweep's folder may be moved before they have arrived."""
        if "kept" not in event.data:
            return event
        path = self.folder / event.data["kept"] / event.data.get("path", "")
        return replace(event, data={**event.data, "path": str(path)})

    def _warn(self, start: int, sentence: str) -> None:
        if start not in self._warned:
            self._warned.add(start)
            self.warnings.append(f"{sentence}.")
            logger.warning("%s", sentence)
