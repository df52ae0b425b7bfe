"""What goes wrong because of what was asked for, not because of how it was done."""


class InputError(Exception):
    """Wrong input, said in one sentence for the person at the keyboard; a command ends with exit code 2."""


def reason(error: Exception) -> str:
    """Why a file could not be read, in one line."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return " ".join(str(error).split())
