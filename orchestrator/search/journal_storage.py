"""The ledger's default storage: Optuna's journal file, every line of it with a checksum."""

from __future__ import annotations

import logging
import os
import threading
from io import FileIO
from pathlib import Path
from typing import Any

from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.storages.journal._file import get_lock_file
from optuna.storages.journal._storage import JournalOperation

from orchestrator.core.checksummed_jsonl import LineFormat, append_whole
from orchestrator.core.errors import InputError
from orchestrator.search.retrying_storage import RetryingStorage, Say

logger = logging.getLogger(__name__)

_MAY_WAIT = {
    JournalOperation.SET_TRIAL_PARAM,
    JournalOperation.SET_TRIAL_USER_ATTR,
    JournalOperation.SET_TRIAL_SYSTEM_ATTR,
}
"""On disk with the next word: parameters of enqueued trials, which are known, and what comes with an outcome."""

LINES = LineFormat("crc", compact=True)
"""Format of a journal's lines. Optuna ignores the key `crc`."""


def open_journal(path: Path, say: Say = logger.warning, stopping: threading.Event | None = None) -> BaseStorage:
    """An Optuna storage on a journal file, verified, and cut where its end is damaged.

    The caller holds the sweep's lease, so nobody else is writing: a lock file that is there is a dead writer's.

    Args:
        path: of the journal; made with its folder where it is not there.
        say: told in one line what was cut off, or that the file cannot be written now.
        stopping: set where the file cannot be written for too long.

    Raises:
        InputError: a line is damaged and good ones follow it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    Path(f"{path}.lock").unlink(missing_ok=True)
    if path.exists() and (cut := truncate_damaged_tail(path)):
        say(cut)
    journal = JournalStorage(ChecksummedJournalBackend(str(path), lock_obj=JournalFileOpenLock(str(path))))
    return RetryingStorage(journal, lambda error: isinstance(error, OSError), str(path), say, stopping)


class ChecksummedJournalBackend(JournalFileBackend):
    """Optuna's journal file with a `crc` in every line, which its replay passes over.

    Every line is written at once, so that a kill loses none. What a power cut may not lose, a configuration, an epoch
    and how a trial ended, is waited for until the disk has it, with all lines before it.
    """

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Appends the logs; where that fails, the file is as it was before.

        A line half written, as a full disk leaves it, would spoil the next one.
        """
        data = b"".join(map(LINES.encode, logs))
        with get_lock_file(self._lock), FileIO(self._file_path, "ab") as file:
            append_whole(
                file, data, file.seek(0, os.SEEK_END), sync=any(log["op_code"] not in _MAY_WAIT for log in logs)
            )


def truncate_damaged_tail(path: Path) -> str | None:
    """Cuts a damaged end off and keeps it in a file beside; says so in a sentence, None where all was sound.

    Raises:
        InputError: a line is damaged and good ones follow it, so that cutting would lose what is good.
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
                    f"put a sound copy of the file in its place."
                )
            start += len(line)
    if cut_at is None:
        return None
    kept = _keep(path, cut_at)
    os.truncate(path, cut_at)
    lines = "line was" if damaged == 1 else f"{damaged} lines were"
    return (
        f"The last {lines} damaged in the ledger {path.name} and cut off (kept in {kept.name}); it goes on from there."
    )


def _keep(path: Path, cut_at: int) -> Path:
    """Copies what is cut off to a new file beside the journal; it is on disk before anything is cut."""
    with path.open("rb") as file:
        file.seek(cut_at)
        content = file.read()
    attempt = 1
    while (kept := path.with_name(f"{path.name}.cut-{attempt}")).exists():
        attempt += 1
    with kept.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return kept
