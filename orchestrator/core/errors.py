"""What goes wrong, apart from mistakes of our own: what was asked for, and what a sweep cannot do without."""


class InputError(Exception):
    """Wrong input, said in one sentence for the person at the keyboard; a command ends with exit code 2."""


class LedgerUnavailable(Exception):
    """The ledger has been away for longer than a sweep waits; the sweep stops, and goes on when it is run again."""


def reason(error: Exception) -> str:
    """Why a file could not be read, in one line."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return " ".join(str(error).split())
