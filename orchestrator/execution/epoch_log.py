"""A run's epochs on disk, one a line, each with a checksum."""

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
    """Epochs 1 to n in a file of JSON lines, which nobody else writes to."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._epochs: list[EpochReport] = []
        self._whole = False

    def read(self) -> list[EpochReport]:
        """The epochs up to the first line that is torn, damaged or out of turn: what a run can go on from."""
        found: list[EpochReport] = []
        for number, epoch in enumerate(self._lines(), start=1):
            if epoch is None or epoch.number != number:
                break
            found.append(epoch)
        return found

    def legible(self) -> dict[int, EpochReport]:
        """Every epoch that can be read, by number, whatever is damaged around it."""
        return {epoch.number: epoch for epoch in reversed(self._lines()) if epoch is not None}

    def _lines(self) -> list[EpochReport | None]:
        try:
            lines = self._path.read_bytes().splitlines(keepends=True)
        except FileNotFoundError:
            return []
        return [_parse(line) for line in lines]

    def keep(self, epochs: Sequence[EpochReport]) -> None:
        """Leaves these epochs only: to half a line of a killed worker the next one would be glued."""
        self._epochs, self._whole = list(epochs), False
        self._write()

    def append(self, epoch: EpochReport) -> bool:
        """Adds an epoch; False where the disk is full, then it is written with the next one."""
        self._epochs.append(epoch)
        if not self._whole:
            return self._write()
        try:
            with self._path.open("ab", buffering=0) as file:
                append_whole(file, _line(epoch), file.seek(0, os.SEEK_END))
        except OSError as error:
            if not is_disk_full(error):
                raise
            self._whole = False
        return self._whole

    def _write(self) -> bool:
        try:
            write_file(self._path, b"".join(map(_line, self._epochs)))
            self._whole = True
        except OSError as error:
            if not is_disk_full(error):
                raise
        return self._whole


def _line(epoch: EpochReport) -> bytes:
    return _LINES.encode(asdict(epoch))


def _parse(line: bytes) -> EpochReport | None:
    try:
        return EpochReport(**_LINES.decode(line))
    except (DamagedLine, TypeError):
        return None
