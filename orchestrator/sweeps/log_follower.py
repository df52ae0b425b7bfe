"""Reader of log files that grow and are rotated."""

from __future__ import annotations

from pathlib import Path

from orchestrator.core.training_files import EARLIER_LOG


class LogFollower:
    """Reader of a log; each call returns the lines that were added since the last one.

    The beginning of a line is held back until the line is complete, so that no character and no address is split.

    Args:
        path: the log; the part that was rotated lies next to it.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._earlier = path, path.with_name(EARLIER_LOG)
        self._inode: int | None = None
        self._place = 0
        self._first = True
        self._held = b""

    def read(self, final: bool = False) -> str:
        """Return the new lines; at the first call all of them, with the rotated part before them.

        Args:
            final: return an incomplete last line as well, since nothing is read after it.
        """
        new = self._held + self._read()
        end = len(new) if final else new.rfind(b"\n") + 1
        self._held = new[end:]
        return new[:end].decode("utf-8", "replace")

    def _read(self) -> bytes:
        new = _content(self._earlier, 0) if self._first else b""
        self._first = False
        try:
            status = self._path.stat()
        except OSError:
            return new
        if self._inode is not None and status.st_ino != self._inode:
            new += _content(self._earlier, self._place)  # the rest of the file that was rotated since
            self._place = 0
        elif status.st_size < self._place:
            self._place = 0
        self._inode = status.st_ino
        added = _content(self._path, self._place)
        self._place += len(added)
        return new + added


def _content(path: Path, start: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(start)
            return file.read()
    except OSError:
        return b""
