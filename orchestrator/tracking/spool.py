"""The spool: all events for MLflow, in order, on local disk.

Writing is an append, so that a sweep never waits for a server. The reader's position is in a file of its own, and moves
only after the events before it have arrived. Events that are sent twice because of a kill in between are the same to
MLflow, since every point has the time it was made. A damaged line is recognised by its checksum, reported and skipped;
`reconcile` restores its content from the ledger.
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
from orchestrator.tracking.staged_artifacts import files_to_upload, release, stage

__all__ = ["Event", "Kind", "Spool"]

logger = logging.getLogger(__name__)


class Spool:
    """Events of one sweep in `<folder>/events.jsonl`, and the reader's position in `<folder>/sent`.

    The folder `files/` holds files to upload; `refused.jsonl` holds events that MLflow rejected.

    Attributes:
        warnings: one sentence for each damage.
        write_error: reason why events wait in memory; None if all are on disk.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.warnings: list[str] = []
        self.write_error: str | None = None
        self._events = folder / "events.jsonl"
        self._sent = folder / "sent"
        self._refused = folder / "refused.jsonl"
        self._file: FileIO | None = None
        self._end = 0
        self._waiting: deque[bytes] = deque()
        self._warned: set[int] = set()
        self._lock = threading.Lock()

    # Writing

    def append(self, event: Event) -> None:
        """Append an event; thread-safe.

        If the disk is full, the event waits in memory, in order, for the next append that succeeds. An event that is
        lost with the process is restored from the ledger.
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
                self.write_error = None
            except OSError as error:
                if self.write_error is None:
                    logger.warning("%s cannot be written (%s): events wait in memory", self._events, error)
                self.write_error = error.strerror or str(error)

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
                # Otherwise new events would count as sent.
                self.mark_sent(self._end)
        except BaseException:
            file.close()
            raise
        return file

    def stage(self, run: str, paths: Sequence[Path]) -> str:
        """Link files and folders into the spool, so that they can be uploaded even if the originals are deleted.

        Returns:
            Name of the staging folder within the spool, for the key `kept` of an event.

        Raises:
            OSError: the files can be neither linked nor copied.
        """
        return stage(self.folder, run, paths)

    # Reading

    def entries(self, position: int = 0) -> Iterator[tuple[Event, int]]:
        """Yield every undamaged event from a position in bytes on, each with the position after it."""
        try:
            file = self._events.open("rb")
        except FileNotFoundError:
            return
        with file:
            # A cut or a restored copy can leave the position after the end or inside a line.
            position = line_start(file, min(position, file.seek(0, os.SEEK_END)))
            file.seek(position)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                start, position = position, position + len(line)
                try:
                    event = decode(line)
                except DamagedLine as error:
                    self._warn(start, f"A line of {self._events} at byte {start} is damaged ({error}); passed over")
                    continue
                yield self._locate(event), position

    def read(self, limit: int = 2000) -> tuple[list[Event], int]:
        """Return up to `limit` unsent events, and the position after them for `mark_sent`."""
        events, position = [], self.sent()
        for event, end in self.entries(position):
            events.append(event)
            position = end
            if len(events) >= limit:
                break
        return events, position

    def sent(self) -> int:
        """Return the position, in bytes, before which all events have arrived."""
        try:
            return int(self._sent.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return 0

    def count_unsent(self) -> int:
        """Return the number of events that have not arrived yet."""
        return sum(1 for _ in self.entries(self.sent())) + len(self._waiting)

    # Delivery

    def mark_sent(self, position: int) -> None:
        """Store that all events before `position` have arrived."""
        write_file(self._sent, str(position))

    def release(self, events: Sequence[Event]) -> None:
        """Delete the staged files of events that have arrived."""
        for event in events:
            if "kept" in event.data:
                release(self.folder, event.data["kept"])

    def resend_all(self, trials: Path) -> None:
        """Mark all events as unsent and stage their files again from the folders of the runs.

        Args:
            trials: folder with one folder per run; files that are no longer there are not uploaded.
        """
        self.mark_sent(0)
        for event, _ in self.entries():
            name, folder = event.data.get("kept"), trials / event.run
            if name is None or (self.folder / name).is_dir() or not folder.is_dir():
                continue
            paths = [folder / Path(event.data["path"]).name] if event.kind == "model" else files_to_upload(folder)
            if paths and all(path.exists() for path in paths):
                stage(self.folder, event.run, paths, name)

    def store_refused(self, event: Event, reason: str) -> None:
        """Write an event that MLflow rejected into `refused.jsonl`, with the reason."""
        with self._refused.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"reason": reason, "event": asdict(event)}) + "\n")

    def refused(self) -> int:
        """Return the number of events that MLflow rejected."""
        try:
            return self._refused.read_bytes().count(b"\n")
        except FileNotFoundError:
            return 0

    def _locate(self, event: Event) -> Event:
        """Return the event with the path of its staged files; names are relative, since a sweep may be moved."""
        if "kept" not in event.data:
            return event
        path = self.folder / event.data["kept"] / event.data.get("path", "")
        return replace(event, data={**event.data, "path": str(path)})

    def _warn(self, start: int, sentence: str) -> None:
        if start not in self._warned:
            self._warned.add(start)
            self.warnings.append(f"{sentence}.")
            logger.warning("%s", sentence)
