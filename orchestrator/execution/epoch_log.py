"""Log of a job's epochs: one checksummed JSON line per epoch."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from orchestrator.core.atomic_files import write_file
from orchestrator.core.checksummed_jsonl import DamagedLine, LineFormat, append_whole
from orchestrator.core.disk_space import is_disk_full
from orchestrator.execution.job import EpochReport

_LINES = LineFormat("crc32")


class EpochLog:
    """Epochs 1 to n of a job, in a file that only this object writes to.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._epochs: list[EpochReport] = []
        self._complete = False

    def read(self) -> list[EpochReport]:
        """Return the epochs before the first line that is torn, damaged or out of order; a job resumes from them."""
        epochs: list[EpochReport] = []
        for number, epoch in enumerate(self._lines(), start=1):
            if epoch is None or epoch.number != number:
                break
            epochs.append(epoch)
        return epochs

    def undamaged(self) -> dict[int, EpochReport]:
        """Return every undamaged epoch by number."""
        return {epoch.number: epoch for epoch in reversed(self._lines()) if epoch is not None}

    def _lines(self) -> list[EpochReport | None]:
        try:
            lines = self._path.read_bytes().splitlines(keepends=True)
        except FileNotFoundError:
            return []
        return [_parse(line) for line in lines]

    def reset(self, epochs: Sequence[EpochReport]) -> None:
        """Replace the file by these epochs; a torn line of a killed worker would spoil the next one."""
        self._epochs, self._complete = list(epochs), False
        self._write()

    def append(self, epoch: EpochReport) -> bool:
        """Append an epoch; return False if the disk is full, so that the epoch is written with the next one."""
        self._epochs.append(epoch)
        if not self._complete:
            return self._write()
        try:
            with self._path.open("ab", buffering=0) as file:
                append_whole(file, _line(epoch), file.seek(0, os.SEEK_END))
        except OSError as error:
            if not is_disk_full(error):
                raise
            self._complete = False
        return self._complete

    def _write(self) -> bool:
        try:
            write_file(self._path, b"".join(map(_line, self._epochs)))
            self._complete = True
        except OSError as error:
            if not is_disk_full(error):
                raise
        return self._complete


def _line(epoch: EpochReport) -> bytes:
    return _LINES.encode(asdict(epoch))


def _parse(line: bytes) -> EpochReport | None:
    try:
        return EpochReport(**_LINES.decode(line))
    except (DamagedLine, TypeError):
        return None
