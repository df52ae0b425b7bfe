"""The ledger's default storage: Optuna's journal file with a checksum in every line."""

from __future__ import annotations

import logging
import os
import threading
from io import FileIO
from pathlib import Path
from typing import Any

from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

from orchestrator.core.checksummed_jsonl import LineFormat, append_whole
from orchestrator.core.errors import InputError
from orchestrator.search.optuna_internals import operations_without_sync
from orchestrator.search.retrying_storage import Report, RetryingStorage

logger = logging.getLogger(__name__)

LINES = LineFormat("crc", compact=True)
"""Format of a journal's lines. Optuna ignores the key `crc`."""


def open_journal(path: Path, report: Report = logger.warning, stopping: threading.Event | None = None) -> BaseStorage:
    """Open an Optuna storage on a journal file; check every line and cut a damaged end off.

    The caller holds the sweep's lock, so that no other process writes. A lock file is therefore a dead writer's.

    Args:
        path: the journal; created with its folder if missing.
        report: called with one line if an end was cut off or the file cannot be written.
        stopping: set if the file cannot be written for too long.

    Raises:
        InputError: a line is damaged and intact lines follow it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    Path(f"{path}.lock").unlink(missing_ok=True)
    if path.exists() and (cut := truncate_damaged_tail(path)):
        report(cut)
    journal = JournalStorage(ChecksummedJournalBackend(path))
    return RetryingStorage(journal, lambda error: isinstance(error, OSError), str(path), report, stopping)


class ChecksummedJournalBackend(JournalFileBackend):
    """Optuna's journal file with a `crc` in every line.

    Every line is written immediately, so that a kill loses none. Configurations, epochs and outcomes are also synced
    to disk, with all lines before them, so that a power failure loses none of these.

    Args:
        path: the journal.
    """

    def __init__(self, path: Path) -> None:
        self._append_lock = JournalFileOpenLock(str(path))
        super().__init__(str(path), lock_obj=self._append_lock)
        self._path = path
        self._without_sync = operations_without_sync()

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append the logs; if that fails, leave the file as it was."""
        data = b"".join(map(LINES.encode, logs))
        sync = any(log["op_code"] not in self._without_sync for log in logs)
        self._append_lock.acquire()
        try:
            with FileIO(self._path, "ab") as file:
                append_whole(file, data, file.seek(0, os.SEEK_END), sync)
        finally:
            self._append_lock.release()


def truncate_damaged_tail(path: Path) -> str | None:
    """Move a damaged end into a file next to the journal; return a sentence about it, None if all lines are intact.

    Raises:
        InputError: a line is damaged and intact lines follow it, which a cut would lose.
    """
    start, damaged = 0, 0
    cut_at: int | None = None
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not LINES.is_intact(line):
                cut_at = start if cut_at is None else cut_at
                damaged += 1
            elif cut_at is not None:
                raise InputError(
                    f"The ledger {path} is damaged at line {number - damaged}, and good lines follow: "
                    f"replace the file with an intact copy."
                )
            start += len(line)
    if cut_at is None:
        return None
    copy = _copy_tail(path, cut_at)
    os.truncate(path, cut_at)
    lines = "line was" if damaged == 1 else f"{damaged} lines were"
    return (
        f"The last {lines} damaged in the ledger {path.name} and cut off (kept in {copy.name}); "
        f"the sweep resumes without."
    )


def _copy_tail(path: Path, start: int) -> Path:
    """Copy the bytes from `start` on to a new file next to the journal, and sync it to disk."""
    with path.open("rb") as file:
        file.seek(start)
        content = file.read()
    attempt = 1
    while (copy := path.with_name(f"{path.name}.cut-{attempt}")).exists():
        attempt += 1
    with copy.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return copy
