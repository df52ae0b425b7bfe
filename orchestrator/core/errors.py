"""Errors with a message for the user, and their text for a terminal."""

import re

_LONGEST_WORD = 120


class InputError(Exception):
    """Wrong input, explained in one sentence; the command ends with exit code 2."""


class LedgerUnavailable(Exception):
    """Raised if the ledger is away for longer than a sweep waits; the sweep stops and can be resumed."""


def reason(error: Exception) -> str:
    """Return the reason for which a file could not be read, in one line."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return " ".join(str(error).split())


def printable(text: str) -> str:
    r"""Return a message for a terminal: control characters escaped, very long words shortened.

    Example:
        >>> printable("No sweep a\x1b[31m" + "b" * 200)[:24]
        'No sweep a\\x1b[31mbbbbbb'
    """
    escaped = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    half = _LONGEST_WORD // 2
    return re.sub(rf"\S{{{_LONGEST_WORD},}}", lambda word: f"{word[0][:half]}…{word[0][-half:]}", escaped)
