"""Files of JSON lines that each end with a CRC-32, so that a torn or damaged line is recognised."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from io import FileIO
from typing import Any, BinaryIO

_BLOCK = 1 << 16
"""Bytes read at once in search of the start of a line."""


class DamagedLine(Exception):
    """A line that is not what was written; the message is the reason."""


class MissingChecksum(DamagedLine):
    """A line that is incomplete, or of another format."""


@dataclass(frozen=True)
class LineFormat:
    """A stored form of checksummed lines: the JSON of an object whose last key is the checksum.

    Attributes:
        key: name of the checksum's key.
        compact: whether the JSON has no white space.
        covers_brace: whether the checksum covers the closing brace of the object without the checksum.

    Example:
        >>> LineFormat("crc").encode({"epoch": 1})
        b'{"epoch": 1, "crc": "94919848"}\\n'
        >>> LineFormat("crc").decode(b'{"epoch": 1, "crc": "94919848"}\\n')
        {'epoch': 1}
    """

    key: str
    compact: bool = False
    covers_brace: bool = True

    def encode(self, content: Mapping[str, Any]) -> bytes:
        """Return an object, which must not be empty, as its line with the line feed.

        Raises:
            TypeError: a value has no form in JSON.
        """
        separators = (",", ":") if self.compact else None
        body = json.dumps(content, separators=separators).encode()[:-1]
        return body + self._seal(b"%08x" % self._checksum(body))

    def is_intact(self, line: bytes) -> bool:
        """Return whether a line is complete and its checksum is right."""
        try:
            self._check(line)
        except DamagedLine:
            return False
        return True

    def decode(self, line: bytes) -> dict[str, Any]:
        """Return the object of a line, without its checksum.

        Raises:
            DamagedLine: the line is incomplete, or its checksum differs.
        """
        self._check(line)
        try:
            content: dict[str, Any] = json.loads(line)
            del content[self.key]
        except (ValueError, KeyError):
            raise DamagedLine("it is not a JSON object") from None
        return content

    def _check(self, line: bytes) -> None:
        body, seal = line[: -self._seal_length], line[-self._seal_length :]
        if seal != self._seal(seal[-11:-3]) or not body.startswith(b"{"):
            raise MissingChecksum("it is incomplete")
        if seal[-11:-3] != b"%08x" % self._checksum(body):
            raise DamagedLine("its checksum differs")

    def _checksum(self, body: bytes) -> int:
        return zlib.crc32(body + b"}" if self.covers_brace else body)

    def _seal(self, checksum: bytes) -> bytes:
        form = b',"%s":"%s"}\n' if self.compact else b', "%s": "%s"}\n'
        return form % (self.key.encode(), checksum)

    @property
    def _seal_length(self) -> int:
        return len(self._seal(b"00000000"))


def append_whole(file: FileIO, data: bytes, end: int, sync: bool = False) -> None:
    """Write all of `data` at the end of a file or, if that fails, nothing.

    Half a line, as a full disk leaves it, would make the next line unreadable.

    Args:
        file: opened for appending, unbuffered.
        data: whole lines.
        end: length of the file in bytes without `data`.
        sync: whether to wait until the disk has the file's content.

    Raises:
        OSError: the file cannot be written; its length is `end` again, if the disk allows that.
    """
    rest = memoryview(data)
    try:
        while rest:
            rest = rest[file.write(rest) or 0 :]
        if sync:
            os.fsync(file.fileno())
    except BaseException:
        with suppress(OSError):
            file.truncate(end)
        raise


def line_start(file: FileIO | BinaryIO, position: int) -> int:
    """Return the start, in bytes, of the line that `position` is in; `position` itself at the start of a line."""
    end = position
    while end > 0:
        begin = max(0, end - _BLOCK)
        file.seek(begin)
        newline = file.read(end - begin).rfind(b"\n")
        if newline >= 0:
            return begin + newline + 1
        end = begin
    return 0


def truncate_torn_line(file: FileIO) -> int:
    """Truncate a file after its last whole line; return the number of bytes that were cut off."""
    size = file.seek(0, os.SEEK_END)
    end = line_start(file, size)
    if end < size:
        file.truncate(end)
    return size - end
