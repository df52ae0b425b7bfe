"""Errors with a message for the user: wrong input, and a ledger that is away."""


class InputError(Exception):
    """Wrong input, explained in one sentence; the command ends with exit code 2."""


class LedgerUnavailable(Exception):
    """Raised if the ledger is away for longer than a sweep waits; the sweep stops and can be resumed."""


def reason(error: Exception) -> str:
    """Return the reason for which a file could not be read, in one line."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return " ".join(str(error).split())
