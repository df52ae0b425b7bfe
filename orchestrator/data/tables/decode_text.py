"""Text of a file in UTF-8, or else in the encoding that its bytes show."""

from __future__ import annotations

import codecs
from pathlib import Path

from orchestrator.core.errors import InputError

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig", None),
    (codecs.BOM_UTF32_LE, "utf-32", "UTF-32"),  # before UTF-16, whose mark is the beginning of this one
    (codecs.BOM_UTF32_BE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"),
)
_SINGLE_BYTE = {"cp1250": "windows-1250", "cp1251": "windows-1251", "cp1253": "windows-1253", "koi8_r": "KOI8-R"}
_SEVERAL_BYTES = ("big5", "cp932", "cp949", "euc_jis_2004", "gb18030")
_SAMPLE = 65536
_MAX_CONTROL_SHARE = 0.02


def decode_text(content: bytes, path: Path) -> tuple[str, list[str]]:
    """Return the text of a file without NUL characters, and what was assumed.

    Raises:
        InputError: the file is not text, or its encoding cannot be determined.

    Example:
        >>> decode_text("Zürich".encode("cp1252"), Path("a.csv"))
        ('Zürich', ['latin-1'])
    """
    text, encoding = _decode(content, path)
    assumed = [encoding] if encoding else []
    if "\0" in text:
        text = text.replace("\0", "")
        assumed.append("NUL characters removed")
    return text, assumed


def _decode(content: bytes, path: Path) -> tuple[str, str | None]:
    for mark, codec, label in _MARKS:
        if content.startswith(mark):
            try:
                return content.decode(codec), label
            except UnicodeDecodeError as error:
                raise _broken(path, label or "UTF-8", content, error) from None
    if utf16 := _utf16_without_mark(content):
        return content.decode(utf16), "UTF-16"
    if _is_binary(content):
        raise InputError(f"{path} cannot be read as a CSV file: it is not text.")
    try:
        return content.decode("utf-8"), None
    except UnicodeDecodeError as error:
        if _is_mostly_utf8(content):
            raise _broken(path, "UTF-8", content, error) from None
    return _decode_single_byte(content, path)


def _utf16_without_mark(content: bytes) -> str | None:
    """Return the codec of UTF-16 without its mark: in Latin text every other byte is NUL."""
    sample = content[:_SAMPLE]
    for candidate, start in (("utf-16-le", 1), ("utf-16-be", 0)):
        high = sample[start::2]
        if len(content) >= 8 and len(content) % 2 == 0 and high.count(0) > 0.7 * len(high):
            try:
                content.decode(candidate)
                return candidate
            except UnicodeDecodeError:
                continue
    return None


def _is_binary(content: bytes) -> bool:
    sample = content[:_SAMPLE]
    control = sum(sample.count(code) for code in range(32) if code not in (9, 10, 12, 13, 26, 27))
    return control > max(_MAX_CONTROL_SHARE * len(sample), 4)


def _is_mostly_utf8(content: bytes) -> bool:
    """Return whether valid UTF-8 sequences outnumber the broken ones."""
    text = content.decode("utf-8", errors="replace")
    broken = text.count("\ufffd")
    return sum(character > "\x7f" for character in text) - broken > broken


def _broken(path: Path, encoding: str, content: bytes, error: UnicodeDecodeError) -> InputError:
    line = content.count(b"\n", 0, error.start) + 1
    return InputError(f"{path}, line {line}: a character is not {encoding} as the others are: save the file as UTF-8.")


def _decode_single_byte(content: bytes, path: Path) -> tuple[str, str]:
    """Decode by charset-normalizer's guess, Western European unless the letters are clearly other ones."""
    from charset_normalizer import from_bytes

    guess = from_bytes(content, cp_isolation=["cp1252", *_SINGLE_BYTE, *_SEVERAL_BYTES]).best()
    name = guess.encoding if guess else "cp1252"
    if name in _SEVERAL_BYTES:
        raise InputError(f"{path} is not UTF-8, and its encoding is uncertain ({name}?): save the file as UTF-8.")
    if name == "cp1250" and guess and "Latin Extended-A" not in guess.alphabets:
        name = "cp1252"  # Western letters have the same bytes in both
    if name in _SINGLE_BYTE:
        return content.decode(name, errors="replace"), _SINGLE_BYTE[name]
    try:
        return content.decode("cp1252"), "windows-1252" if any(0x80 <= byte < 0xA0 for byte in content) else "latin-1"
    except UnicodeDecodeError:  # five bytes have no character in Windows-1252
        return content.decode("latin-1"), "latin-1"
