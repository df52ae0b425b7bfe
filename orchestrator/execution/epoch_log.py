"""Epochs of a run in a file of JSON lines with checksums."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from orchestrator.core.atomic_files import write_file
from orchestrator.core.disk_space import is_disk_full
from orchestrator.execution.job import EpochReport

_CHECKSUM = "crc32"


class EpochLog:
    """Epochs 1 to n in a file of JSON lines with a single writer."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._epochs: list[EpochReport] = []
        self._whole = False

    def read(self) -> list[EpochReport]:
        """Return the epochs up to the first line that is truncated, damaged or out of order, where a run resumes."""
        found: list[EpochReport] = []
        for number, epoch in enumerate(self._lines(), start=1):
            if epoch is None or epoch.number != number:
                break
            found.append(epoch)
        return found

    def legible(self) -> dict[int, EpochReport]:
        """Return every epoch that can be read, by number, also after damaged lines."""
        return {epoch.number: epoch for epoch in reversed(self._lines()) if epoch is not None}

    def _lines(self) -> list[EpochReport | None]:
        try:
            lines = self._path.read_bytes().split(b"\n")[:-1]  # a killed writer may leave half a line at the end
        except FileNotFoundError:
            return []
        return [_parse(line) for line in lines]

    def keep(self, epochs: Sequence[EpochReport]) -> None:
        """Keep these epochs only: half a line of a killed worker would corrupt the next line."""
        self._epochs, self._whole = list(epochs), False
        self._write()

    def append(self, epoch: EpochReport) -> bool:
        """Add an epoch; return False if the disk is full, in which case the next call writes both."""
        self._epochs.append(epoch)
        if not self._whole:
            return self._write()
        try:
            with self._path.open("a") as file:
                file.write(_line(epoch))
        except OSError as error:
            if not is_disk_full(error):
                raise
            self._whole = False
        return self._whole

    def _write(self) -> bool:
        try:
            write_file(self._path, "".join(map(_line, self._epochs)))
            self._whole = True
        except OSError as error:
            if not is_disk_full(error):
                raise
        return self._whole


def _line(epoch: EpochReport) -> str:
    content = asdict(epoch)
    return json.dumps({**content, _CHECKSUM: _checksum(content)}) + "\n"


def _checksum(content: dict[str, object]) -> str:
    # Python reads the exact floats that it wrote, so a line's content is serialised to the same text.
    return f"{zlib.crc32(json.dumps(content).encode()):08x}"


def _parse(line: bytes) -> EpochReport | None:
    try:
        content = json.loads(line)
        checksum = content.pop(_CHECKSUM, None)  # lines of earlier versions have none
        return EpochReport(**content) if checksum in {None, _checksum(content)} else None
    except (ValueError, TypeError, AttributeError):
        return None
