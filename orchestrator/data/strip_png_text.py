"""Removal of text from PNG files."""

from __future__ import annotations

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_WITHOUT_PIXELS = {b"tEXt", b"zTXt", b"iTXt", b"iCCP"}
"""Text, and the colour profile, which the decoder ignores; Pillow refuses a file in which one of them is long."""


def is_png(content: bytes) -> bool:
    """Return whether bytes begin as a PNG file does."""
    return content.startswith(_SIGNATURE)


def without_text(content: bytes) -> bytes:
    """Return a PNG file without its text and colour profile; bytes after a damaged chunk stay as they are."""
    kept, position = [content[: len(_SIGNATURE)]], len(_SIGNATURE)
    while len(content) - position >= 12:
        length = int.from_bytes(content[position : position + 4], "big")
        end = position + 12 + length  # length, type, data, checksum
        if content[position + 4 : position + 8] not in _WITHOUT_PIXELS:
            kept.append(content[position:end])
        position = end
    kept.append(content[position:])
    return b"".join(kept)
