"""Paths of images as a table writes them: of this machine or another, with slashes or backslashes."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

URL_REASON = "a URL, and URLs are not fetched"
_URL = re.compile(r"\s*[A-Za-z][A-Za-z0-9+.-]+://")
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")


@dataclass(frozen=True)
class LocatedImages:
    """Images of a table.

    Attributes:
        paths: (N,), absolute, or as written for a URL.
        found_by_end: number of images whose path as written does not exist, but its end does in the folder.
        example: the first of those as written and as found.
    """

    paths: list[str]
    found_by_end: int = 0
    example: tuple[str, str] | None = None

    def sentence(self) -> str | None:
        """Return a sentence about paths that were found by their ends; None if there are none."""
        if self.example is None:
            return None
        written, found = self.example
        return f"Found by the end of their paths: {self.found_by_end} images, such as {written} as {found}."


def is_url(written: str) -> bool:
    """Return whether a text is a URL, which names no file here.

    Example:
        >>> is_url("https://example.com/x.png"), is_url("C://x.png"), is_url("x.png")
        (True, False, False)
    """
    return _URL.match(written) is not None


def locate_images(written: Sequence[str], folder: Path) -> LocatedImages:
    """Return where each image lies: its path as written, else the longest end of it that exists in the folder.

    An end that several different paths have is not an answer for any of them.

    Args:
        written: (N,) paths, absolute or relative to the folder.
        folder: folder of the data set.
    """
    direct = {name: folder / name for name in dict.fromkeys(written)}
    ends = {name: _by_end(name, folder) for name, path in direct.items() if not is_url(name) and not _exists(path)}
    claims: dict[Path, int] = {}
    for path in (*ends.values(), *(path for name, path in direct.items() if name not in ends)):
        if path is not None:
            claims[path] = claims.get(path, 0) + 1
    unique = {name: path for name, path in ends.items() if path is not None and claims[path] == 1}
    paths = [name.strip() if is_url(name) else str(unique.get(name, direct[name])) for name in written]
    moved = [name for name in written if name in unique]
    example = (moved[0], str(unique[moved[0]].relative_to(folder))) if moved else None
    return LocatedImages(paths, len(moved), example)


def _by_end(written: str, folder: Path) -> Path | None:
    plain = _DRIVE.sub("", written.strip().strip("\"'")).replace("\\", "/")
    parts = [part for part in plain.split("/") if part not in ("", ".", "..")]
    for start in range(len(parts)):
        for form in _forms("/".join(parts[start:])):
            if _exists(folder / form):
                return folder / form
    return None


def _forms(path: str) -> Iterator[str]:
    """Yield a path and its other Unicode forms: macOS may write an umlaut as two characters."""
    yield from dict.fromkeys((path, unicodedata.normalize("NFC", path), unicodedata.normalize("NFD", path)))


def _exists(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # longer than a path can be, or with a NUL character
        return False
