"""Bytes of an image file, or the reason why a path or its content is not an image."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

_LARGEST_FILE = 2**30
"""Bytes; the largest image that Pillow decodes has less without compression."""
_NOT_THERE = {errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP}

_OTHER_CONTENT = (
    (b"version https://git-lfs", "a Git LFS pointer"),
    (b"<!doctype html", "a web page"),
    (b"<html", "a web page"),
    (b"<svg", "a vector drawing"),
    (b"%pdf", "a PDF"),
    (b"%!ps", "a PostScript drawing"),
)
"""Beginnings, in lower case, of files that are often found under an image's name."""
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_AVIF_BRANDS = {b"avif", b"avis"}


class UnusableImage(Exception):
    """An image that cannot be used; the message is the short reason, such as "truncated" or "a folder"."""


class UnusableFile(UnusableImage):
    """A path whose content cannot be read now; the next attempt may succeed without a change of the file."""


def read_image_file(path: Path) -> bytes:
    """Return the bytes of a regular file.

    Raises:
        UnusableFile: the path is missing, a folder, a pipe or a device, or its file cannot be read.
    """
    try:
        found = os.stat(path)
        if stat.S_ISDIR(found.st_mode):
            raise UnusableFile("a folder")
        if not stat.S_ISREG(found.st_mode):  # reading a pipe would wait for ever
            raise UnusableFile("a pipe or device")
        if found.st_size > _LARGEST_FILE:
            raise UnusableFile("too large")
        return path.read_bytes()
    except PermissionError:
        raise UnusableFile("a file without read permission") from None
    except ValueError:  # a NUL in the path
        raise UnusableFile("unreadable") from None
    except OSError as error:
        if error.errno == errno.ENOENT and path.is_symlink():
            raise UnusableFile("a link to a missing file") from None
        raise UnusableFile("missing" if error.errno in _NOT_THERE else "unreadable") from None


def other_content(content: bytes) -> str | None:
    """Return the kind of file that undecodable bytes are, such as "a web page"; None if it is not known.

    Example:
        >>> other_content(b"<!DOCTYPE html><title>Not found</title>")
        'a web page'
    """
    start = content[:256].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for beginning, kind in _OTHER_CONTENT:
        if start.startswith(beginning):
            return kind
    if start.startswith(b"<?xml") and b"<svg" in content[:4096].lower():
        return "a vector drawing"
    return _undecodable_format(content)


def _undecodable_format(content: bytes) -> str | None:
    """Return the format of an image that needs an optional decoder, if this Python lacks that decoder."""
    from PIL import Image

    brand = content[8:12] if content[4:8] == b"ftyp" else b""
    if brand in _HEIF_BRANDS and "HEIF" not in Image.OPEN:
        return "a HEIC image, which needs the package pillow-heif"
    if brand in _AVIF_BRANDS and "AVIF" not in Image.OPEN:
        return "an AVIF image, which needs a Pillow with AVIF"
    return None
