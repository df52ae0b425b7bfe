"""What goes wrong because of what was asked for, not because of how it was done."""


class InputError(Exception):
    """Wrong input, said in one sentence for the person at the keyboard; a command ends with exit code 2."""
