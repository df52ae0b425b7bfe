"""The ledger's default storage: Optuna's journal file, every line of it with a checksum."""

from __future__ import annotations

import json
import logging
import os
import re
import threading
from pathlib import Path
from typing import Any
from zlib import crc32

from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.storages.journal._file import get_lock_file
from optuna.storages.journal._storage import JournalOperation

from orchestrator.core.errors import InputError
from orchestrator.search.retrying_storage import RetryingStorage, Say

logger = logging.getLogger(__name__)

_MAY_WAIT = {
    JournalOperation.SET_TRIAL_PARAM,
    JournalOperation.SET_TRIAL_USER_ATTR,
    JournalOperation.SET_TRIAL_SYSTEM_ATTR,
}
"""On disk with the next word: parameters of enqueued trials, which are known, and what comes with an outcome."""

_CHECKSUM = re.compile(rb',"crc":"([0-9a-f]{8})"}\n\Z')


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
        lines = b"".join(add_checksum(log) for log in logs)
        with get_lock_file(self._lock), open(self._file_path, "ab", buffering=0) as file:
            end = file.seek(0, os.SEEK_END)
            try:
                while lines:
                    lines = lines[file.write(lines) :]
                if any(log["op_code"] not in _MAY_WAIT for log in logs):
                    os.fsync(file.fileno())
            except BaseException:
                os.ftruncate(file.fileno(), end)
                raise


def add_checksum(log: dict[str, Any]) -> bytes:
    """A log as its line: JSON whose last key is the CRC-32 of the JSON without that key."""
    body = json.dumps(log, separators=(",", ":")).encode()
    return body[:-1] + b',"crc":"%08x"}\n' % crc32(body)


def truncate_damaged_tail(path: Path) -> str | None:
    """Cuts a damaged end off and keeps it in a file beside; says so in a sentence, None where all was sound.

    Lines without a checksum are an older version's and may only come before all that have one.

    Raises:
        InputError: a line is damaged and good ones follow it, so that cutting would lose what is good.
    """
    sealed, start, damaged = False, 0, 0
    cut_at: int | None = None
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not _sound(line, sealed):
                cut_at = start if cut_at is None else cut_at
                damaged += 1
            elif cut_at is not None:
                raise InputError(
                    f"The ledger {path} is damaged at line {number - damaged}, and good lines follow: "
                    f"put a sound copy of the file in its place."
                )
            sealed = sealed or bool(_CHECKSUM.search(line))
            start += len(line)
    if cut_at is None:
        return None
    kept = _keep(path, cut_at)
    os.truncate(path, cut_at)
    lines = "line was" if damaged == 1 else f"{damaged} lines were"
    return (
        f"The last {lines} damaged in the ledger {path.name} and cut off (kept in {kept.name}); it goes on from there."
    )


def _sound(line: bytes, sealed: bool) -> bool:
    if match := _CHECKSUM.search(line):
        return int(match[1], 16) == crc32(line[: match.start()] + b"}")
    if sealed or not line.endswith(b"\n"):
        return False
    try:
        return "op_code" in json.loads(line)
    except (ValueError, TypeError):
        return False


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
